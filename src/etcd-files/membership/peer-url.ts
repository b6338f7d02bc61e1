// Peer URLs as etcd takes them and writes them back (`client/pkg/types/urls.go` NewURLs over Go's net/url): ids are hashes of the text
// written back, so that must be Go's to the byte. Stricter than etcd where a URL could be written but never dialled: user info, query,
// fragment, and a host or port that is empty or beyond 65535 are refused.
import { isIPv6 } from "node:net";
import { EtcdsafeError } from "../../errors.ts";

/** The URL as etcd stores it. Throws MEMBERS_INVALID; `owner` says in its message whose URL it is. */
export function parsePeerUrl(text: string, owner: string): string {
  const trimmed = text.trim();
  const refuse = (why: string): never => {
    throw new EtcdsafeError("MEMBERS_INVALID", `${owner}: the peer URL ${JSON.stringify(withoutSecrets(trimmed))} ${why}`, {
      hint: "Write it as http://host:port or https://host:port.",
    });
  };
  if (hasControlCharacter(trimmed)) refuse("holds a control character");
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(trimmed) ?? [];
  if (/[?#]/.test(rest)) refuse("must not have a query or a fragment");
  if (/^\/\/[^/]*@/.test(rest)) refuse("must not hold a user name or password");
  switch (scheme.toLowerCase()) {
    case "http":
    case "https":
      return `${scheme.toLowerCase()}://${addressOf(rest, refuse)}`;
    case "unix":
    case "unixs":
      return `${scheme.toLowerCase()}:${socketOf(rest, refuse)}`;
    case "":
      return refuse("has no scheme: it must start with http://, https://, unix:// or unixs://");
    default:
      return refuse(`has the scheme ${scheme}: it must be http, https, unix or unixs`);
  }
}

type Refuse = (why: string) => never;

function addressOf(rest: string, refuse: Refuse): string {
  const [, authority = "", path = ""] = /^\/\/([^/]*)(.*)$/s.exec(rest) ?? [];
  if (path !== "") refuse(`must not have a path, not even a trailing slash: leave out ${JSON.stringify(path)}`);
  if (/^[^[].*:.*:/.test(authority) || authority.startsWith("::")) refuse("must have brackets around an IPv6 address, as in http://[::1]:2380");
  const host = hostOf(authority, refuse);
  // What net.SplitHostPort takes: brackets around anything that holds colons, then one colon and the port.
  const [, name, port] = /^(\[[^[\]]*\]|[^:[\]]*):(\d+)$/.exec(host) ?? [];
  if (name === undefined || port === undefined || name === "") return refuse("must name host and port, as in http://10.0.0.1:2380");
  if (Number(port) > 65535) refuse(`has the port ${port}, beyond 65535`);
  return host;
}

/** Unix sockets: Go keeps what follows `unix:` as it is unless it starts with a slash, and then takes it apart into host and path. */
function socketOf(rest: string, refuse: Refuse): string {
  if (rest === "" || rest === "//") refuse("names no socket");
  if (!rest.startsWith("/")) return rest;
  const [, authority, path = ""] = /^(?:\/\/([^/]*))?(.*)$/s.exec(rest) ?? [];
  return (authority === undefined ? "" : `//${hostOf(authority, refuse)}`) + escapedPath(path, refuse);
}

/** `net/url` parseHost, then escape as String does: percent signs may only hide bytes outside ASCII, and in an IPv6 zone. */
function hostOf(authority: string, refuse: Refuse): string {
  if (!authority.startsWith("[")) {
    if (/:(?!\d*$)[^:]*$/.test(authority) || authority.includes("[")) refuse("has an address that is not host:port with a number for the port");
    return escaped(authority, HOST_BYTES, NO_ASCII, refuse);
  }
  const [, address = "", zone, port = ""] = /^\[(.*?)(%25.*)?\](:\d*)?$/s.exec(authority) ?? [];
  if (!isIPv6(address) || address.includes("%") || zone === "%25" || authority.lastIndexOf("[") > 0) refuse("has no IPv6 address between its brackets");
  return `[${address}${zone === undefined ? "" : escaped(zone, HOST_BYTES, ZONE_BYTES, refuse)}]${port}`;
}

/** `net/url` EscapedPath: the path as written where that is a valid encoding, else Go's encoding of it. */
function escapedPath(path: string, refuse: Refuse): string {
  if (/%(?![0-9a-f]{2})/i.test(path)) refuse("has a percent sign that is not followed by two hexadecimal digits");
  return /^[\w\-.~!$&'()*+,;=:@[\]%/]*$/.test(path) ? path : escaped(path, PATH_BYTES, ANY_BYTE, refuse);
}

/** What Go leaves unescaped in a host and in a path (`net/url` shouldEscape). */
const HOST_BYTES = /[\w\-.~!$&'()*+,;=:[\]<>"]/;
const PATH_BYTES = /[\w\-.~$&+,/:;=@]/;
/** What may be written as %XX besides %25 and bytes outside ASCII (`net/url` unescape): nothing in a host, host bytes and blanks in a zone, all in a path. */
const NO_ASCII = /[^\s\S]/;
const ZONE_BYTES = /[\w\-.~!$&'()*+,;=:[\]<>" ]/;
const ANY_BYTE = /[\s\S]/;

/** Decodes the percent signs of `text` and encodes anew every byte that is not in `plain`. */
function escaped(text: string, plain: RegExp, maybeEscaped: RegExp, refuse: Refuse): string {
  return Buffer.from(text)
    .toString("latin1")
    .replace(/%(..?)?|[\s\S]/g, (piece, digits: string | undefined) => {
      const byte = piece.startsWith("%") ? byteOf(digits, maybeEscaped, refuse) : piece;
      if (plain.test(byte)) return byte;
      if (piece === byte && byte < "\x80" && plain === HOST_BYTES) refuse(`has the character ${JSON.stringify(byte)} in its host`);
      return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
    });
}

function byteOf(digits: string | undefined, maybeEscaped: RegExp, refuse: Refuse): string {
  if (digits === undefined || !/^[0-9a-f]{2}$/i.test(digits)) return refuse("has a percent sign that is not followed by two hexadecimal digits");
  const byte = String.fromCharCode(Number.parseInt(digits, 16));
  if (byte < "\x80" && byte !== "%" && !maybeEscaped.test(byte)) refuse(`has %${digits} in its host`);
  return byte;
}

function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/]*@/, "//…@");
}

function hasControlCharacter(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) < 0x20 || text.charCodeAt(at) === 0x7f) return true;
  return false;
}
