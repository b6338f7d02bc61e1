// The minors of etcd that a test which takes any of them runs with: always the same three, and 3.4 where this machine has it.
// Where it has not, its tests are not there at all, and `npm test` says so in one line.
import { ETCD_MINORS, type EtcdMinor, systemEtcd34 } from "../../scripts/provision.ts";

/** 3.4 has no etcdutl, and is only there where systemEtcd34() finds it. */
export type TestedMinor = EtcdMinor | "3.4";

export const MINORS_AT_HAND: readonly TestedMinor[] = (await systemEtcd34()) === undefined ? ETCD_MINORS : ["3.4", ...ETCD_MINORS];
