// How operands are named, for the texts of all commands that take them.

export const BACKUP: string = "A backup is named by its id, a unique beginning of it, `latest` or `oldest`.";
export const BACKUP_OR_FILE: string = `${BACKUP.slice(0, -1)}; a file by its path.`;
