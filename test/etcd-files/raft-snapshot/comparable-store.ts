// A v2 store without what etcdutl 3.6 and 3.7 leave to chance, and without the statistics.

/** The parsed JSON, with indexes of members set to 0 and the events sorted by their keys. */
export function comparableStore(json: Uint8Array): unknown {
  const store = JSON.parse(Buffer.from(json).toString(), (name, value) => (/^(created|modified)Index$/i.test(name) ? 0 : value));
  const { Queue } = store.WatcherHub.EventHistory;
  Queue.Events.sort((a: { node: { key: string } } | null, b: { node: { key: string } } | null) => ((a?.node.key ?? "~") < (b?.node.key ?? "~") ? -1 : 1));
  return { ...store, Stats: { ...store.Stats, getsFail: 0 } };
}
