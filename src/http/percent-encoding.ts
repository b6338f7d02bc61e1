// RFC 3986 §2.1, as the parts of a URL have it.

/** As UTF-8; undefined where a % begins nothing that is encoded so. */
export function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Whether the user and the password of a URL can be sent: Node's requests and agents decode them, and fail where that cannot be done. */
export function hasUsableCredentials({ username, password }: URL): boolean {
  return percentDecoded(username) !== undefined && percentDecoded(password) !== undefined;
}
