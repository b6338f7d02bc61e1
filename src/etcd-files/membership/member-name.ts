// Names that a member cannot have, since everything that names it does so by `--initial-cluster`: etcd's own flags, units and manifests, and this program.

/** Why not, to stand behind the name; undefined for one that can be. */
export function memberNameFault(name: string): string | undefined {
  const separator = /[,=]/.exec(name)?.[0];
  if (separator !== undefined) return `holds "${separator}", which --initial-cluster cannot carry in a name`;
  if (name.trim() === "") return "is blank";
  return hasControlCharacter(name) ? "holds a control character" : undefined;
}

function hasControlCharacter(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) < 0x20 || text.charCodeAt(at) === 0x7f) return true;
  return false;
}
