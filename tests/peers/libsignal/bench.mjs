// What libsignal's steps cost: mean microseconds of processor time a step, of all threads. Stores keep libsignal's own
// objects ("records") or, as an application would for its database, their bytes.
import { randomUUID } from "node:crypto";
import { signal } from "./library.mjs";
import { Person } from "./person.mjs";

const WARM_UP = 50;
const DAY_MS = 86_400_000;

async function timed(count, step) {
  const started = process.cpuUsage();
  for (let number = 0; number < count; number++) {
    await step(number);
  }
  const { user, system } = process.cpuUsage(started);
  return (user + system) / count;
}

function newPeople(keep) {
  return [1, 2].map((device) => new Person(randomUUID(), device, device, undefined, keep));
}

// Two people of whom each has had a message from the other.
async function connected(keep) {
  const [alice, bob] = newPeople(keep);
  await alice.start(bob.address, await bob.bundle());
  for (let number = 0; number < WARM_UP; number++) {
    await pass(alice, bob, new Uint8Array(16));
    await pass(bob, alice, new Uint8Array(16));
  }
  return [alice, bob];
}

async function pass(from, to, plaintext) {
  const message = await from.encrypt(to.address, plaintext);
  await to.decrypt(from.address, message.type(), message.serialize());
}

function certificates(person) {
  const [root, server] = [signal.PrivateKey.generate(), signal.PrivateKey.generate()];
  const certificate = signal.SenderCertificate.new(
    signal.Aci.fromUuid(person.uuid),
    null,
    person.device,
    person.key.getPublicKey(),
    Date.now() + DAY_MS,
    signal.ServerCertificate.new(1, server.getPublicKey(), root),
    server,
  );
  return [root.getPublicKey(), certificate];
}

export const benchmarks = {
  async bench_set_up({ count, size, keep }) {
    const plaintext = new Uint8Array(size);
    const pairs = [];
    for (let number = 0; number < count; number++) {
      const [alice, bob] = newPeople(keep);
      pairs.push({ alice, bob, bundle: await bob.bundle() });
    }
    const initiator = await timed(count, async (number) => {
      const pair = pairs[number];
      await pair.alice.start(pair.bob.address, pair.bundle);
      pair.message = (await pair.alice.encrypt(pair.bob.address, plaintext)).serialize();
    });
    const type = signal.CiphertextMessageType.PreKey;
    const responder = await timed(count, async (number) => {
      const { alice, bob, message } = pairs[number];
      await bob.decrypt(alice.address, type, message);
    });
    return { initiator, responder };
  },

  async bench_one_way({ count, size, keep }) {
    const [alice, bob] = await connected(keep);
    const plaintext = new Uint8Array(size);
    const messages = [];
    const encrypt = await timed(count, async () => {
      messages.push((await alice.encrypt(bob.address, plaintext)).serialize());
    });
    const type = signal.CiphertextMessageType.Whisper;
    const decrypt = await timed(count, (number) => bob.decrypt(alice.address, type, messages[number]));
    return { encrypt, decrypt };
  },

  async bench_ping_pong({ count, size, keep }) {
    const [alice, bob] = await connected(keep);
    const plaintext = new Uint8Array(size);
    const both = await timed(count, (number) => (number % 2 ? pass(bob, alice, plaintext) : pass(alice, bob, plaintext)));
    return { both };
  },

  async bench_sealed({ count, size, keep }) {
    const [alice, bob] = await connected(keep);
    const [root, certificate] = certificates(alice);
    const message = await alice.encrypt(bob.address, new Uint8Array(size));
    const hint = signal.ContentHint.Resendable;
    const content = signal.UnidentifiedSenderMessageContent.new(message, certificate, hint, null);
    const sealed = [];
    const seal = await timed(count, async () => {
      sealed.push(await signal.sealedSenderEncrypt(content, bob.address, alice.identities));
    });
    const open = await timed(count, async (number) => {
      const opened = await signal.sealedSenderDecryptToUsmc(sealed[number], bob.identities);
      if (!opened.senderCertificate().validate(root, Date.now())) {
        throw new Error("the certificate is not valid");
      }
    });
    return { seal, open };
  },

  async bench_whole({ count, size, keep }) {
    const [alice, bob] = await connected(keep);
    const plaintext = new Uint8Array(size);
    const sides = [alice, bob].map((person) => [person, ...certificates(person)]);
    const both = await timed(count, async (number) => {
      const [from, root, certificate] = sides[number % 2];
      const [to] = sides[(number + 1) % 2];
      await to.unseal(root, await from.seal(to.address, plaintext, certificate));
    });
    return { both };
  },

  // Bytes on the wire of a first, an ordinary and a sealed message; the medians of many, since their parts vary.
  async bench_sizes({ size }) {
    const plaintext = new Uint8Array(size);
    const [carol, dave] = newPeople("bytes");
    await carol.start(dave.address, await dave.bundle());
    const first = (await carol.encrypt(dave.address, plaintext)).serialize().length;
    const [alice, bob] = await connected("bytes");
    const [root, certificate] = certificates(alice);
    const [ordinary, sealed] = [[], []];
    for (let number = 0; number < 200; number++) {
      const message = await alice.encrypt(bob.address, plaintext);
      ordinary.push(message.serialize().length);
      await bob.decrypt(alice.address, message.type(), message.serialize());
      const envelope = await alice.seal(bob.address, plaintext, certificate);
      sealed.push(envelope.length);
      await bob.unseal(root, envelope);
      await pass(bob, alice, plaintext);
    }
    const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    return { first, ordinary: median(ordinary), sealed: median(sealed) };
  },
};
