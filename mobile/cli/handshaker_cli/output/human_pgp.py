"""Results with OpenPGP as text for people."""

from handshaker_cli.operations.results import Certificate, Checked, Result, Written
from handshaker_cli.output import human
from handshaker_cli.output.human import bold, moment
from handshaker_cli.output.safe import one_line

_GROUP = 4


def render(result: Result) -> str:
    """Any result."""
    match result:
        case Certificate():
            return f"{_whose(result)}\n{_fingerprint(result.fingerprint)}\n    User id: {one_line(result.user_id) or 'none'}"
        case Written():
            return _written(result)
        case Checked():
            return _checked(result)
    return human.render(result)


def exported(result: Result) -> str:
    """The own certificate, as others need it."""
    return result.armored.rstrip("\n") if isinstance(result, Certificate) else render(result)


def published(result: Result) -> str:
    """After publishing."""
    if not isinstance(result, Certificate):
        return render(result)
    return f"Published. Those who have your contact address get it with: handshaker pgp fetch\n{_fingerprint(result.fingerprint)}"


def kept(result: Result) -> str:
    """A contact's certificate that was just kept, and what that proves."""
    if not isinstance(result, Certificate) or result.name is None:
        return render(result)
    name = bold(result.name)
    who = (
        f"You have compared safety numbers with {name}, so the key is theirs."
        if result.verified
        else f"It does not prove who that is: you have not compared safety numbers yet (handshaker verify {result.contact})."
    )
    return (
        f"Kept the OpenPGP certificate of {name}.\n{_fingerprint(result.fingerprint)}\n"
        f"Proven: whoever holds the identity of {name} here also holds this OpenPGP key; each has signed for the other.\n"
        f"{who}"
    )


def _whose(certificate: Certificate) -> str:
    if certificate.name is None:
        return "Your OpenPGP certificate:"
    verified = "safety number compared" if certificate.verified else "safety number not compared"
    return f"OpenPGP certificate of {bold(certificate.name)} ({verified}):"


def _fingerprint(fingerprint: str) -> str:
    groups = [fingerprint[start : start + _GROUP] for start in range(0, len(fingerprint), _GROUP)]
    return f"    {' '.join(groups[:5])}  {' '.join(groups[5:])}"


def _written(written: Written) -> str:
    file = one_line(written.file)
    match written.kind:
        case "certificate":
            return f"Your certificate is in {file}."
        case "secret_key":
            return f"Your secret key is in {file}. Delete the file when you have imported it where you need it."
        case "signature":
            return f"The signature is in {file}. Give it to others together with the file."
        case "history":
            return f"{written.messages:,} messages are in {file}, encrypted and signed ({written.bytes:,} bytes)."
        case _:
            return f"Encrypted and signed: {file} ({written.bytes:,} bytes)."


def _checked(checked: Checked) -> str:
    lines = [] if checked.file is None else [f"Written: {one_line(checked.file)} ({checked.bytes:,} bytes)."]
    when = "" if checked.at is None else f" on {moment(checked.at)}"
    if checked.signature == "none":
        lines.append("Nobody has signed it: it can be from anybody.")
    elif checked.signature == "unknown":
        lines.append("Signed by somebody whose certificate is not here, so nothing is proven: it can be from anybody.")
    elif checked.own:
        lines.append(f"Good signature: you signed it{when}.")
    else:
        name = bold(checked.name or "somebody")
        doubt = (
            ""
            if checked.verified
            else (f" You have not compared safety numbers with {name} yet: handshaker verify {checked.contact}")
        )
        lines.append(f"Good signature: {name} signed it{when}.{doubt}")
    return "\n".join(lines)
