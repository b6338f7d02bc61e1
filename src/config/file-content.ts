// What stands where a path is expected, and is what belongs into the file: the likely mistake of who takes a variable from a Kubernetes secret. It is found
// when a value is read, before anything can repeat it: a message on standard error ends in a journal.
import type { OptionSpec } from "./option.ts";

const AGE_IDENTITY = /AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]{8}/i;
/** In PEM of any kind (RFC 7468 §13), or the body alone of an Ed25519 key (RFC 8410 §7: its DER always begins so). */
const PRIVATE_KEY = /(BEGIN|END) [A-Z0-9 ]*PRIVATE KEY|MC4CAQAwBQYDK2VwBCIEI/i;
/** The beginning of PEM, of an identity and of what `age-keygen` writes, in base64, as Kubernetes has secrets; and in base64 of that, as by two tools in turn. */
const IN_BASE64 = /^(LS0tLS1CRUdJTi|QUdFLVNFQ1JFVC1LRVkt|IyBjcmVhdGVkOi|TFMwdExTMUNSVWRKVG|UVVkRkxWTkZRMUpGVkMxTFJWa3|SXlCamNtVmhkR1ZrT2)/;
/** Keys of SSE-C (32 bytes), of accounts of Azure (64): base64 that is padded, whatever slashes are in it; or what is so long and has nothing that a name has. */
const KEY_IN_BASE64 = /^([A-Za-z0-9+/]{42,}={1,2}|[A-Za-z0-9+]{40,})$/;
/**
 * The same with slashes and without an end by which it is known, as a secret key of AWS, of 30 bytes, or a passphrase of `openssl rand -base64 48`: capitals,
 * small letters and digits that change so often that it is no name. An absolute path may hold a hash, so that it has to be as long as that key.
 */
const SECRET_IN_BASE64 = /^(?=.*[A-Z])(?=.*[a-z])(?=.*[0-9])([A-Za-z0-9+/]{40}|[A-Za-z0-9+][A-Za-z0-9+/]{39,})$/;
/** Random base64 changes 23 times in 40 characters, 3 more or less; names change a few times. */
const CHANGES_PER_CHARACTER_MIN = 0.3;
/** Access and refresh tokens of Google, and JSON web tokens, as those of Azure are. */
const ACCESS_TOKEN = /^(Authorization: *)?(Bearer )?(GOCSPX-[\w-]{8}|ya29\.[\w.-]{8}|eyJ[\w-]+\.[\w-]{8}|1\/\/0[\w-]{8})/i;
/** Of 20 bytes and more, as `xxd` and `openssl` write them. */
const IN_HEX = /^[0-9a-f]{2}([: ]?[0-9a-f]{2}){19,}$/i;
/** In a connection string of Azure, and in a shared access signature. */
const AZURE_SECRET = /(AccountKey|SharedAccessSignature)=|(^|[?&;])sig=/i;
/** An access key of AWS and what follows it, or an entry of a profile, of variables or of Gardener's file. */
const AWS_SECRET = /\b(AKIA|ASIA)[A-Z0-9]*\s*[:,;= ]|(access_?key(_?id)?|session_?token)["']?\s*[:=]/i;

/** Linux: PATH_MAX and NAME_MAX (include/uapi/linux/limits.h). */
const PATH_SIZE_BYTES_MAX = 4095;
const NAME_SIZE_BYTES_MAX = 255;

const WHAT_TO_DO = "write it to a file that nobody else can read, and give its path; in Kubernetes, mount the secret as a volume";

/**
 * Why `text` is refused as a value of the option, or as one item of a list, without repeating it; completes a sentence that begins with where it came from.
 * Undefined for what may be a path, where one is expected, and for whatever holds no private key elsewhere.
 */
export function contentFault(spec: OptionSpec, text: string): string | undefined {
  const isPath = spec.kind === "path" || spec.kind === "secret-file" || spec.paths !== undefined;
  const takes = `takes ${spec.placeholder?.includes("FILE") ? "the path of a file" : "a path"}`;
  const secret = privateKeyIn(text);
  if (secret !== undefined)
    return isPath
      ? `${takes}, and ${secret} itself was given, which is secret and not repeated here: ${WHAT_TO_DO}`
      : `holds what is ${secret}, which is secret and not repeated here${secret === "an identity" ? ": its recipient, `age-keygen -y`, is what others may see" : ""}`;
  const why = isPath || spec.kind === "location" || spec.kind === "list" ? implausible(spec, text, isPath) : undefined;
  if (why === undefined) return undefined;
  if (!isPath) return `${why}, and is not repeated here`;
  return `${takes}, and what was given ${why}, so that it may be what belongs into the file, and is not repeated here: ${WHAT_TO_DO}`;
}

/** What kind of key a text holds, anywhere in it. */
export function privateKeyIn(text: string): "an identity" | "a private key" | undefined {
  return AGE_IDENTITY.test(text) ? "an identity" : PRIVATE_KEY.test(text) ? "a private key" : undefined;
}

/** What makes it nothing that anybody calls a file; `NAME` can be written as ./NAME where it is called so all the same. */
function implausible({ kind, paths }: OptionSpec, text: string, isPath: boolean): string | undefined {
  if (/[\r\n]/.test(text)) return "holds a line break";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to find.
  if (/[\u0000-\u001f\u007f]/.test(text)) return "holds a control character";
  if (!isPath) return undefined;
  if (Buffer.byteLength(text) > PATH_SIZE_BYTES_MAX || text.split("/").some((name) => Buffer.byteLength(name) > NAME_SIZE_BYTES_MAX))
    return "is longer than a path can be";
  if (text.startsWith("{")) return "begins as JSON does (a path that begins so is written ./NAME)";
  if (IN_BASE64.test(text)) return "begins as a key or certificate in base64 does";
  if (AZURE_SECRET.test(text)) return "looks like a connection string or a shared access signature";
  if (AWS_SECRET.test(text)) return "looks like an access key with its secret";
  if (ACCESS_TOKEN.test(text)) return "looks like an access token (a path that looks so is written ./NAME)";
  if (paths?.but !== undefined) return undefined; // Public keys are written so too.
  if (IN_HEX.test(text)) return "looks like a key in hexadecimal digits (a path that looks so is written ./NAME)";
  if (KEY_IN_BASE64.test(text) || isSecretInBase64(text)) return "looks like a key in base64 (a path that looks so is written ./NAME)";
  if (kind !== "secret-file" || paths !== undefined) return undefined;
  return /\s/.test(text) && !text.includes("/") ? "looks like a passphrase (a path with blanks is written ./NAME)" : undefined;
}

function isSecretInBase64(text: string): boolean {
  const changes = text.match(/[A-Z](?=[a-z0-9])|[a-z](?=[A-Z0-9])|[0-9](?=[A-Za-z])/g)?.length ?? 0;
  return SECRET_IN_BASE64.test(text) && changes >= text.length * CHANGES_PER_CHARACTER_MIN;
}
