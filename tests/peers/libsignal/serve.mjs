// Lets another program use libsignal: a JSON object a line on stdin, its answer a line on stdout.
//
// {"op": NAME, …} is answered by {…} or by {"error": CODE, "message": TEXT}. Bytes are hexadecimal. People are made by
// `person` and then named by `me`; others are {"uuid": …, "device": …}. An error changes nothing but what libsignal
// itself changed.
import { createInterface } from "node:readline";
import { signal } from "./library.mjs";
import { Person, addressOf } from "./person.mjs";
import { benchmarks } from "./bench.mjs";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const raw = (text) => new Uint8Array(Buffer.from(text, "hex"));
const publicKey = (text) => signal.PublicKey.deserialize(raw(text));
const people = new Map();

function person(name) {
  const found = people.get(name);
  if (found === undefined) {
    throw new Error(`nobody is called ${name}`);
  }
  return found;
}

function readBundle(bundle) {
  return signal.PreKeyBundle.new(
    bundle.registration,
    bundle.device,
    bundle.one_time_id,
    bundle.one_time === null ? null : publicKey(bundle.one_time),
    bundle.signed_id,
    publicKey(bundle.signed),
    raw(bundle.signed_signature),
    publicKey(bundle.identity),
    bundle.kem_id,
    signal.KEMPublicKey.deserialize(raw(bundle.kem)),
    raw(bundle.kem_signature),
  );
}

function writeBundle(bundle) {
  const oneTime = bundle.preKeyPublic();
  return {
    registration: bundle.registrationId(),
    device: bundle.deviceId(),
    identity: hex(bundle.identityKey().serialize()),
    signed_id: bundle.signedPreKeyId(),
    signed: hex(bundle.signedPreKeyPublic().serialize()),
    signed_signature: hex(bundle.signedPreKeySignature()),
    one_time_id: bundle.preKeyId(),
    one_time: oneTime === null ? null : hex(oneTime.serialize()),
    kem_id: bundle.kyberPreKeyId(),
    kem: hex(bundle.kyberPreKeyPublic().serialize()),
    kem_signature: hex(bundle.kyberPreKeySignature()),
  };
}

const operations = {
  async version() {
    return { node: process.version };
  },
  async person({ me, uuid, device, registration, private_key }) {
    const key = private_key === null ? undefined : signal.PrivateKey.deserialize(raw(private_key));
    people.set(me, new Person(uuid, device, registration, key));
    return { identity: hex(person(me).key.getPublicKey().serialize()) };
  },

  // Sessions: PQXDH and the ratchet.
  async bundle({ me, one_time }) {
    return writeBundle(await person(me).bundle(one_time));
  },
  async start({ me, peer, bundle }) {
    await person(me).start(addressOf(peer), readBundle(bundle));
    return {};
  },
  async encrypt({ me, peer, plaintext }) {
    const message = await person(me).encrypt(addressOf(peer), raw(plaintext));
    return { type: message.type(), message: hex(message.serialize()) };
  },
  async decrypt({ me, peer, type, message }) {
    return { plaintext: hex(await person(me).decrypt(addressOf(peer), type, raw(message))) };
  },

  // Sender keys.
  async distribution({ me, id }) {
    return { message: hex((await person(me).distribution(id)).serialize()) };
  },
  async learn_sender_key({ me, sender, message }) {
    await person(me).learnSenderKey(addressOf(sender), raw(message));
    return {};
  },
  async encrypt_group({ me, id, plaintext }) {
    return { message: hex((await person(me).encryptGroup(id, raw(plaintext))).serialize()) };
  },
  async decrypt_group({ me, sender, message }) {
    return { plaintext: hex(await person(me).decryptGroup(addressOf(sender), raw(message))) };
  },

  // Single functions.
  async sign({ me, message }) {
    return { signature: hex(person(me).key.sign(raw(message))) };
  },
  async verify({ public_key, message, signature }) {
    return { valid: publicKey(public_key).verify(raw(message), raw(signature)) };
  },
  async agree({ me, public_key }) {
    return { secret: hex(person(me).key.agree(publicKey(public_key))) };
  },
  async hkdf({ length, material, info, salt }) {
    return { output: hex(signal.hkdf(length, raw(material), raw(info), salt === null ? null : raw(salt))) };
  },
  async fingerprint({ iterations, version, local_id, local_key, remote_id, remote_key }) {
    const made = signal.Fingerprint.new(
      iterations,
      version,
      raw(local_id),
      publicKey(local_key),
      raw(remote_id),
      publicKey(remote_key),
    );
    return {
      digits: made.displayableFingerprint().toString(),
      scannable: hex(made.scannableFingerprint().toBuffer()),
    };
  },
  async compare_scannable({ ours, theirs }) {
    const [first, second] = [ours, theirs].map((code) => signal.ScannableFingerprint._fromBuffer(raw(code)));
    return { same: first.compare(second) };
  },

  ...benchmarks,
};

async function answer(line) {
  try {
    const request = JSON.parse(line);
    return await operations[request.op](request);
  } catch (error) {
    const code = typeof error.code === "number" ? signal.ErrorCode[error.code] : error.name;
    return { error: code, message: String(error.message) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(line)) + "\n");
}
