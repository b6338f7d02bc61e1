// From options to whom backups are encrypted, who opens them, who signs and who is trusted. Every file is read whole, and any fault in it is an error:
// what weakens security is never passed over.
import { readFile } from "node:fs/promises";
import { type AgeKeys, identityFault } from "../age/identities.ts";
import { recipientFault } from "../age/recipients.ts";
import type { AskedEncryption } from "../repository/encryption-policy.ts";
import type { SigningKey, TrustedKey } from "../repository/signature.ts";
import type { Config } from "./config.ts";
import type { OptionName } from "./options.ts";
import type { Fault } from "./origin.ts";
import { readSecretFile } from "./secret-file.ts";
import { whyUnreadable } from "./unreadable.ts";

/** Far above what any of these files needs. */
const FILE_SIZE_BYTES_MAX = 1024 * 1024;
/** What may be repeated of a file of recipients: another file, named by mistake, holds who knows what. */
const PUBLIC = /^(age1|ssh-)/;

/** What could be read; only to be used where there are no faults. */
export interface ReadFromOptions<T> {
  readonly value: T;
  readonly faults: readonly Fault[];
}

/** To whom to encrypt. `passphrase`: the option that names its file. Never throws. */
export async function readAskedEncryption(config: Config, passphrase: "passphrase-file" | "new-passphrase-file"): Promise<ReadFromOptions<AskedEncryption>> {
  const reader = new OptionReader(config);
  const typed = config.origin("unencrypted").kind === "flag";
  if (config.get("unencrypted") && !typed) reader.refuse("unencrypted", "does not count here: type --unencrypted, so that nobody sets it by accident");
  const given = (config.get("recipient") ?? []).map((text) => ({ option: "recipient" as const, text, place: "" }));
  const listed = await reader.recipients();
  for (const { option, text, place } of [...given, ...listed]) {
    const fault = await recipientFault(text);
    if (fault !== undefined)
      reader.refuse(option, PUBLIC.test(text) || option === "recipient" ? `${place}${JSON.stringify(text)} ${fault}` : `${place}holds what ${fault}`);
  }
  const secret = await reader.passphrase(passphrase);
  const recipients = [...new Set([...given, ...listed].map(({ text }) => text))];
  if (recipients.length > 0) return reader.result({ recipients });
  if (secret !== undefined) return reader.result({ passphrase: secret });
  return reader.result(config.get("unencrypted") ? "unencrypted" : "not-said");
}

/** What opens backups; undefined where nothing is given. Never throws. */
export async function readKeys(config: Config): Promise<ReadFromOptions<AgeKeys | undefined>> {
  const reader = new OptionReader(config);
  const identities: string[] = [];
  for (const path of config.get("identity-file") ?? []) {
    const lines = await reader.linesOf("identity-file", path);
    for (const { text, place } of lines ?? []) {
      const fault = await identityFault(text);
      if (fault === undefined) identities.push(text);
      else
        reader.refuse(
          "identity-file",
          `${place}${/^(age-encryption\.org|-----BEGIN AGE)/.test(text) ? "is encrypted itself: decrypt it, and protect it with file permissions" : `what stands there ${fault}`}`,
        );
    }
    if (lines?.length === 0) reader.refuse("identity-file", `${path} holds no identity`);
  }
  const passphrase = await reader.passphrase("passphrase-file");
  return reader.result(identities.length === 0 && passphrase === undefined ? undefined : { identities, passphrase });
}

/** What to sign with; undefined where nothing is given. Never throws. */
export async function readSigning(config: Config): Promise<ReadFromOptions<SigningKey | undefined>> {
  const reader = new OptionReader(config);
  for (const option of ["unsigned", "sign-unproven"] as const)
    if (config.get(option) && config.origin(option).kind !== "flag")
      reader.refuse(option, `does not count here: type --${option}, so that nobody sets it by accident`);
  const path = config.get("sign-key-file");
  if (path === undefined && config.get("sign-unproven")) reader.refuse("sign-unproven", "needs --sign-key-file: there is nothing to sign with");
  const pem = path === undefined ? undefined : await reader.text("sign-key-file", path);
  if (pem === undefined) return reader.result(undefined);
  const key = (await import("../repository/signature.ts")).readSigningKey(pem);
  if (typeof key !== "string") return reader.result(key);
  reader.refuse("sign-key-file", `${path} ${key}`);
  return reader.result(undefined);
}

/** Whom to believe; none: everybody. Never throws. */
export async function readTrusted(config: Config): Promise<ReadFromOptions<readonly TrustedKey[]>> {
  const reader = new OptionReader(config);
  const keys: TrustedKey[] = [];
  for (const item of config.get("trusted-key") ?? []) {
    const { readTrustedKey, TRUSTED_KEY } = await import("../repository/signature.ts");
    if (TRUSTED_KEY.test(item)) {
      keys.push(item);
      continue;
    }
    const pem = await reader.text("trusted-key", item);
    if (pem === undefined) continue;
    const key = readTrustedKey(pem);
    if (typeof key === "string") reader.refuse("trusted-key", `${item} ${key}`);
    else keys.push(key.publicKey);
  }
  return reader.result(keys);
}

interface Line {
  readonly option: OptionName;
  readonly text: string;
  /** Begins a message: "keys.txt, line 3: ". */
  readonly place: string;
}

class OptionReader {
  readonly #config: Config;
  readonly #faults: Fault[] = [];

  constructor(config: Config) {
    this.#config = config;
  }

  refuse(option: OptionName, text: string): void {
    this.#faults.push({ origin: this.#config.origin(option), key: option, text });
  }

  result<T>(value: T): ReadFromOptions<T> {
    return { value, faults: this.#faults };
  }

  async recipients(): Promise<readonly Line[]> {
    const option = "recipients-file";
    const path = this.#config.get(option);
    const lines = path === undefined ? undefined : await this.linesOf(option, path);
    if (lines?.length === 0) this.refuse(option, `${path} names no recipient`);
    return lines ?? [];
  }

  /** Neither empty ones nor comments. Undefined, with a fault, where the file cannot be read. */
  async linesOf(option: OptionName, path: string): Promise<Line[] | undefined> {
    const text = await this.text(option, path);
    return text?.split("\n").flatMap((line, index) => {
      const trimmed = line.trim();
      return trimmed === "" || trimmed.startsWith("#") ? [] : [{ option, text: trimmed, place: `${path}, line ${index + 1}: ` }];
    });
  }

  async passphrase(option: "passphrase-file" | "new-passphrase-file"): Promise<string | undefined> {
    const path = this.#config.get(option);
    if (path === undefined) return undefined;
    const read = await readSecretFile(path, "a passphrase");
    if ("secret" in read) return read.secret;
    this.refuse(option, `${path} ${read.refused}`);
    return undefined;
  }

  /** Undefined, with a fault, where it cannot be read. */
  async text(option: OptionName, path: string): Promise<string | undefined> {
    try {
      const bytes = await readFile(path);
      if (bytes.length <= FILE_SIZE_BYTES_MAX) return bytes.toString("utf8");
      this.refuse(option, `${path} is too long to be a file of keys`);
    } catch (error) {
      this.refuse(option, `${path} cannot be read: ${whyUnreadable(error)}`);
    }
    return undefined;
  }
}
