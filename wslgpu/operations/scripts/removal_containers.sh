# shellcheck shell=sh
# removal_containers.sh NAMESPACE/NAME...: end these containers: containerd, which looks after them, is about to go.
for container in "$@"; do
    namespace=${container%%/*} name=${container#*/}
    timeout 30 ctr --namespace "$namespace" tasks kill --signal SIGKILL "$name" >/dev/null 2>&1 || true
    timeout 30 ctr --namespace "$namespace" tasks rm --force "$name" >/dev/null 2>&1 || true
    if timeout 30 ctr --namespace "$namespace" tasks ls | awk -v name="$name" '$1 == name && $3 == "RUNNING" { found = 1 } END { exit !found }'; then
        fail timeout "the container $container does not end" "ctr --namespace $namespace tasks ls says more."
    fi
done
