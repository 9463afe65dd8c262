// One user of libsignal with one device: keys, stores in memory, and the calls that a messenger makes.
//
// Sessions are kept as bytes, as an application's database would, or for measuring as libsignal's own objects.
import { signal } from "./library.mjs";

class Sessions extends signal.SessionStore {
  records = new Map();
  async saveSession(address, record) {
    this.records.set(address.toString(), record.serialize());
  }
  async getSession(address) {
    const bytes = this.records.get(address.toString());
    return bytes === undefined ? null : signal.SessionRecord.deserialize(bytes);
  }
  async getExistingSessions(addresses) {
    return addresses.map((address) => signal.SessionRecord.deserialize(this.records.get(address.toString())));
  }
}

class SessionObjects extends signal.SessionStore {
  records = new Map();
  async saveSession(address, record) {
    this.records.set(address.toString(), record);
  }
  async getSession(address) {
    return this.records.get(address.toString()) ?? null;
  }
  async getExistingSessions(addresses) {
    return addresses.map((address) => this.records.get(address.toString()));
  }
}

class Identities extends signal.IdentityKeyStore {
  known = new Map();
  constructor(key, registration) {
    super();
    this.key = key;
    this.registration = registration;
  }
  async getIdentityKey() {
    return this.key;
  }
  async getLocalRegistrationId() {
    return this.registration;
  }
  async isTrustedIdentity(address, key) {
    const known = this.known.get(address.toString());
    return known === undefined || known.equals(key);
  }
  async saveIdentity(address, key) {
    const known = this.known.get(address.toString());
    this.known.set(address.toString(), key);
    const changed = known !== undefined && !known.equals(key);
    return changed ? signal.IdentityChange.ReplacedExisting : signal.IdentityChange.NewOrUnchanged;
  }
  async getIdentity(address) {
    return this.known.get(address.toString()) ?? null;
  }
}

class PreKeys extends signal.PreKeyStore {
  records = new Map();
  async savePreKey(id, record) {
    this.records.set(id, record);
  }
  async getPreKey(id) {
    return found(this.records, id);
  }
  async removePreKey(id) {
    this.records.delete(id);
  }
}

class SignedPreKeys extends signal.SignedPreKeyStore {
  records = new Map();
  async saveSignedPreKey(id, record) {
    this.records.set(id, record);
  }
  async getSignedPreKey(id) {
    return found(this.records, id);
  }
}

class KyberPreKeys extends signal.KyberPreKeyStore {
  records = new Map();
  async saveKyberPreKey(id, record) {
    this.records.set(id, record);
  }
  async getKyberPreKey(id) {
    return found(this.records, id);
  }
  async markKyberPreKeyUsed(id) {
    this.records.delete(id);
  }
}

class SenderKeys extends signal.SenderKeyStore {
  records = new Map();
  async saveSenderKey(sender, distribution, record) {
    this.records.set(sender.toString() + distribution, record.serialize());
  }
  async getSenderKey(sender, distribution) {
    const bytes = this.records.get(sender.toString() + distribution);
    return bytes === undefined ? null : signal.SenderKeyRecord.deserialize(bytes);
  }
}

function found(records, id) {
  const record = records.get(id);
  if (record === undefined) {
    throw new Error(`no prekey ${id}`);
  }
  return record;
}

export function addressOf({ uuid, device }) {
  return signal.ProtocolAddress.new(signal.Aci.fromUuid(uuid), device);
}

export class Person {
  nextPreKey = 1;
  preKeys = new PreKeys();
  signedPreKeys = new SignedPreKeys();
  kyberPreKeys = new KyberPreKeys();
  senderKeys = new SenderKeys();

  constructor(uuid, device, registration, key = signal.PrivateKey.generate(), keep = "bytes") {
    this.sessions = keep === "bytes" ? new Sessions() : new SessionObjects();
    this.uuid = uuid;
    this.device = device;
    this.address = addressOf({ uuid, device });
    this.identities = new Identities(key, registration);
  }

  get key() {
    return this.identities.key;
  }

  // A fresh bundle; each has its own keys, under one id.
  async bundle(withOneTime = true) {
    const id = this.nextPreKey++;
    const preKey = signal.PrivateKey.generate();
    const signedPreKey = signal.PrivateKey.generate();
    const kyber = signal.KEMKeyPair.generate();
    const signature = this.key.sign(signedPreKey.getPublicKey().serialize());
    const kyberSignature = this.key.sign(kyber.getPublicKey().serialize());
    if (withOneTime) {
      await this.preKeys.savePreKey(id, signal.PreKeyRecord.new(id, preKey.getPublicKey(), preKey));
    }
    await this.signedPreKeys.saveSignedPreKey(
      id,
      signal.SignedPreKeyRecord.new(id, Date.now(), signedPreKey.getPublicKey(), signedPreKey, signature),
    );
    await this.kyberPreKeys.saveKyberPreKey(
      id,
      signal.KyberPreKeyRecord.new(id, Date.now(), kyber, kyberSignature),
    );
    return signal.PreKeyBundle.new(
      this.identities.registration,
      this.device,
      withOneTime ? id : null,
      withOneTime ? preKey.getPublicKey() : null,
      id,
      signedPreKey.getPublicKey(),
      signature,
      this.key.getPublicKey(),
      id,
      kyber.getPublicKey(),
      kyberSignature,
    );
  }

  start(peer, bundle) {
    return signal.processPreKeyBundle(bundle, peer, this.address, this.sessions, this.identities);
  }

  encrypt(peer, plaintext) {
    return signal.signalEncrypt(plaintext, peer, this.address, this.sessions, this.identities);
  }

  decrypt(peer, type, message) {
    if (type === signal.CiphertextMessageType.PreKey) {
      return signal.signalDecryptPreKey(
        signal.PreKeySignalMessage.deserialize(message),
        peer,
        this.address,
        this.sessions,
        this.identities,
        this.preKeys,
        this.signedPreKeys,
        this.kyberPreKeys,
      );
    }
    const parsed = signal.SignalMessage.deserialize(message);
    return signal.signalDecrypt(parsed, peer, this.address, this.sessions, this.identities);
  }

  distribution(id) {
    return signal.SenderKeyDistributionMessage.create(this.address, id, this.senderKeys);
  }

  learnSenderKey(sender, message) {
    const parsed = signal.SenderKeyDistributionMessage.deserialize(message);
    return signal.processSenderKeyDistributionMessage(sender, parsed, this.senderKeys);
  }

  encryptGroup(id, plaintext) {
    return signal.groupEncrypt(this.address, id, this.senderKeys, plaintext);
  }

  decryptGroup(sender, message) {
    return signal.groupDecrypt(sender, this.senderKeys, message);
  }

  seal(peer, plaintext, certificate) {
    return signal.sealedSenderEncryptMessage(plaintext, peer, certificate, this.sessions, this.identities);
  }

  unseal(trustRoot, message) {
    return signal.sealedSenderDecryptMessage(
      message,
      trustRoot,
      Date.now(),
      null,
      this.uuid,
      this.device,
      this.sessions,
      this.identities,
      this.preKeys,
      this.signedPreKeys,
      this.kyberPreKeys,
    );
  }
}
