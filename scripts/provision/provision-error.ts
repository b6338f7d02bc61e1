/** Something needed for tests or the demo cannot be had; the message is one line that says what and how to get it. */
export class ProvisionError extends Error {
  override readonly name = "ProvisionError";
}
