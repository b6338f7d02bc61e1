// How to reach and enter an etcd cluster: what flags, environment and configuration file come down to.

export interface ConnectionOptions {
  /** `http://host:port`, `https://host:port` or, as etcdctl takes it, `host:port`: TLS if any certificate is given, otherwise plain. */
  readonly endpoints: readonly string[];
  /** PEM file of the authorities that may have signed etcd's server certificate; the system's where left out. */
  readonly cacertPath?: string;
  /** PEM file of the client certificate; needs `keyPath`. */
  readonly certPath?: string;
  readonly keyPath?: string;
  /** As ETCDCTL_INSECURE_SKIP_TLS_VERIFY: encrypts, but talks to whoever answers. */
  readonly insecureSkipVerify?: boolean;
  /** The name the server certificate must carry, where it is not the endpoint's host. */
  readonly serverName?: string;
  readonly user?: string;
  readonly password?: string;
  /** Limit of connecting to one endpoint, TLS handshake included. */
  readonly dialTimeoutMs: number;
  /** Limit of one request and its answer; not of a snapshot stream, which has a stall limit instead. */
  readonly commandTimeoutMs: number;
}
