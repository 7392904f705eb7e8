# Run in a mount namespace of its own, before containerd: enter.sh HOME COMMAND...
# What containerd and kubelet would leave on the host goes into the lab's state folder, and dies with it.
set -eu
home=$1
shift
over=$home/state/over
# This copy of the host's mounts would keep the network namespaces of other labs beyond their end. One that
# ends meanwhile takes its mount with it.
while read -r _ _ _ _ point _ rest; do
  case $rest in *" nsfs "*) umount --lazy "$point" || echo "already gone: $point" ;; esac
done <<MOUNTS
$(cat /proc/self/mountinfo)
MOUNTS
mount -t tmpfs -o mode=755 tmpfs /run
for folder in lib log; do
  mkdir -p "$over/$folder" "$over/$folder.work"
  mount -t overlay -o "lowerdir=/var/$folder,upperdir=$over/$folder,workdir=$over/$folder.work" overlay "/var/$folder"
done
# kubelet insists on these sysctls, and they belong to the whole machine: it may write into files instead.
mkdir -p "$home/state/sysctl"
fake() {
  echo "$2" > "$home/state/sysctl/$1"
  mount --bind "$home/state/sysctl/$1" "/proc/sys/$(echo "$1" | tr . /)"
}
fake vm.overcommit_memory 1
fake vm.panic_on_oom 0
fake kernel.panic 10
fake kernel.panic_on_oops 1
fake kernel.keys.root_maxkeys 1000000
fake kernel.keys.root_maxbytes 25000000
exec "$@"
