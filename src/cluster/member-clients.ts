// The clients of a cluster's members, one per endpoint, opened when first asked for and closed together: connections and logins are shared by all
// that a command does.
import { type MemberClient, openMember } from "./channel.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { parseEndpoint } from "./endpoint.ts";

export interface MemberClients extends AsyncDisposable {
  /** Whether any of the endpoints that were given is spoken to over TLS. */
  readonly secure: boolean;
  /** Throws CONFIG_INVALID or FILE_FAILED. */
  at(endpoint: string): MemberClient;
  close(): Promise<void>;
}

export function openClients(connection: ConnectionOptions): MemberClients {
  const open = new Map<string, MemberClient>();
  const close = async () => {
    await Promise.all([...open.values()].map((client) => client.close()));
  };
  return {
    secure: connection.endpoints.some((endpoint) => parseEndpoint(endpoint, connection).secure),
    at(endpoint) {
      const client = open.get(endpoint) ?? openMember(endpoint, connection);
      open.set(endpoint, client);
      return client;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
