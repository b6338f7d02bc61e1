// Whether a k3s or RKE2 server will join another one when it starts without its etcd directory. One that names none begins a cluster of its own, and serves
// an empty keyspace under the same certificates and token.

export interface JoiningServer {
  readonly dataDir: string;
  readonly unit: string;
  readonly configFile: string;
  /** Of the variables that stand for flags. */
  readonly variablePrefix: string;
  /** Where a server lets others join. */
  readonly joinPort: number;
}

/** Commands that set `joins` to yes where all that a shell can see says so, and say STOP otherwise. */
export function checkJoins({ dataDir, unit, configFile, variablePrefix, joinPort }: JoiningServer): string[] {
  const environmentFiles = `$(systemctl show ${unit} -p EnvironmentFiles | grep -o '/[^ ]*')`;
  const sources = `cat ${configFile} ${configFile}.d/*.yaml; systemctl show ${unit} -p ExecStart -p Environment; cat /dev/null ${environmentFiles}`;
  const flag = (name: string, short: string, variable: string) => `^ *["'\\'']?${name}["'\\'']? *:|(--${name}| -${short})[= ]|${variablePrefix}_${variable}=`;
  const url = `(${flag("server", "s", "URL")}) *["'\\'']?https?://`;
  const token = `${flag("token(-file)?", "t", "TOKEN(_FILE)?")}`;
  const directory = `(${flag("data-dir", "d", "DATA_DIR")}) *["'\\'']?[^ "'\\'';]+`;
  const stop = (text: string) => `{ echo "STOP: ${text}"; joins=no; }`;
  return [
    `said=$({ ${sources}; } 2>/dev/null | grep -v '^ *#'); joins=yes`,
    `echo "$said" | grep -qE '${url}' || ${stop(`this server names no other to join: write server: https://<a server that runs>:${joinPort} into ${configFile}`)}`,
    `echo "$said" | grep -qE '${token}' || ${stop(`this server has no token to join with: write token: <what is in ${dataDir}/server/token> into ${configFile}`)}`,
    `! echo "$said" | grep -oE '${directory}' | grep -vE '[^/]${dataDir}/?$' || ${stop(`its data directory is not ${dataDir}: put the right one in place of that in all commands`)}`,
  ];
}
