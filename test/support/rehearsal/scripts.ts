// What a rehearsed host has on its PATH. `$HOST` is where the host's own files lie; `$HOST/run` is where the scripts keep their state.

/** Arguments: the host's root and the command. */
export const ENTER = `root=$1; shift
mount --make-rprivate / && mount --bind "$root/etc" /etc && mount --bind "$root/lib" /var/lib || exit
cd "$root/home" && exec "$@"`;

/**
 * Runs etcd's static pod for as long as its manifest is there, and starts it again when it ends. Of the other pods, that they run is all that is seen.
 * "Containers" are files with the process id, or 0.
 */
const KUBELET = `containers=$HOST/run/containers
stop() { pid=$(cat "$1"); [ "$pid" = 0 ] || { kill "$pid" 2>/dev/null; wait "$pid"; }; rm -f "$1"; }
trap 'for each in "$containers"/*; do [ ! -e "$each" ] || stop "$each"; done; exit' TERM
while :; do
  for manifest in /etc/kubernetes/manifests/*.yaml; do
    [ -e "$manifest" ] || continue
    pod=$(basename "$manifest" .yaml)
    [ ! -e "$containers/$pod" ] || continue
    if [ "$pod" = etcd ]; then
      etcd $(sed -nE 's/^ *- (--.*)$/\\1/p' "$manifest") >>"$HOST/run/etcd.log" 2>&1 &
      echo $! >"$containers/$pod"
    else
      echo 0 >"$containers/$pod"
    fi
  done
  for each in "$containers"/*; do
    [ -e "$each" ] || continue
    pid=$(cat "$each")
    if [ ! -e "/etc/kubernetes/manifests/$(basename "$each").yaml" ]; then stop "$each"
    elif [ "$pid" != 0 ] && ! kill -0 "$pid" 2>/dev/null; then rm -f "$each"
    fi
  done
  sleep 0.1
done`;

/** `crictl ps -q --name REGEX` and `crictl exec ID COMMAND`, which does not pass on its environment; a container's id is its name here. */
const CRICTL = `case $1 in
ps) ls "$HOST/run/containers" | grep -E -- "$4" || true ;;
exec) [ -e "$HOST/run/containers/$2" ] || exit 1; shift 2; exec env -i PATH="$PATH" "$@" ;;
*) echo "crictl: $*" >&2; exit 2 ;;
esac`;

/** One unit, etcd, with a file of variables as its own and what drop-ins name besides; of the kubelet, that it was restarted. */
const SYSTEMCTL = `echo "$*" >>"$HOST/run/systemctl.log"
pid=$(cat "$HOST/run/etcd.pid" 2>/dev/null)
running() { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }
case "$*" in
"stop etcd")
  running && kill "$pid" && while running; do sleep 0.05; done
  rm -f "$HOST/run/etcd.pid" ;;
"start --no-block etcd")
  set -a
  . /etc/etcd.env
  for file in $(sed -n 's/^EnvironmentFile=//p' /etc/systemd/system/etcd.service.d/*.conf 2>/dev/null); do . "$file"; done
  setsid etcd >>"$HOST/run/etcd.log" 2>&1 </dev/null &
  echo $! >"$HOST/run/etcd.pid" ;;
"show -p InvocationID --value etcd") echo 0123456789abcdef0123456789abcdef ;;
show*) running && state=active || state=inactive
  printf 'Id=etcd.service\\nActiveState=%s\\nEnvironmentFiles=/etc/etcd.env (ignore_errors=no)\\n' $state ;;
daemon-reload | "reset-failed etcd" | "restart kubelet") ;;
*) echo "systemctl: $*" >&2; exit 2 ;;
esac`;

const JOURNALCTL = `tail -n 500 "$HOST/run/etcd.log"`;

/** An API server is ready as soon as it runs. */
const KUBECTL = `[ -e "$HOST/run/containers/kube-apiserver" ] && echo ok`;

export const SCRIPTS: Readonly<Record<string, string>> = {
  kubelet: KUBELET,
  crictl: CRICTL,
  systemctl: SYSTEMCTL,
  journalctl: JOURNALCTL,
  kubectl: KUBECTL,
};
