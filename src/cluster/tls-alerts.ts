// Alerts by which a TLS server turns a client away. Without node:tls, which takes longer to load than most of what asks.

/** RFC 8446 §6.2, as OpenSSL names them: by which a server refuses the client's certificate, or its lack. */
const CLIENT_CERTIFICATE_ALERT =
  /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|NO_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)/;

/** `code` as Node's errors have it. */
export function isClientCertificateAlert(code: string): boolean {
  return CLIENT_CERTIFICATE_ALERT.test(code);
}
