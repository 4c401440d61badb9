#!/bin/sh
# Builds the container images, or loads them into a kind cluster, with whichever of docker, podman and buildah works.
# Usage: images.sh build|kind-load SERVICE…
# Environment: REGISTRY before the names, TORCH cpu or cuda, TORCH_INDEX, BUILDER, BUILD_OPTIONS, KIND_CLUSTER.
set -eu
cd "$(dirname "$0")/.."
task=$1
shift
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

find_builder() {
  for candidate in docker podman buildah; do
    # A client alone cannot build: docker needs its daemon, podman its storage.
    if "$candidate" info >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  echo "images: none of docker, podman and buildah works here (docker info, podman info, buildah info); install one, or start docker's daemon" >&2
  exit 1
}

# Name and tag of a service's image. A CUDA build has its own tag, so that one registry can hold both builds.
image() {
  tag=$version
  [ "${TORCH:-cpu}" = cpu ] || tag=$version-$TORCH
  echo "${REGISTRY:+${REGISTRY%/}/}spiral-$1:$tag"
}

build() {
  arguments=""
  if grep -q '^ARG TORCH=' "services/$1/Dockerfile"; then
    arguments="--build-arg TORCH=${TORCH:-cpu} ${TORCH_INDEX:+--build-arg TORCH_INDEX=$TORCH_INDEX}"
  elif [ "${TORCH:-cpu}" != cpu ]; then
    echo "images: the $1 has no torch, so there is no $TORCH build of it" >&2
    exit 2
  fi
  # shellcheck disable=SC2086  # one option per word
  "$builder" build $arguments ${BUILD_OPTIONS:-} -f "services/$1/Dockerfile" -t "$(image "$1")" .
}

kind_load() {
  if [ "$builder" = docker ]; then
    kind load docker-image --name "${KIND_CLUSTER:-kind}" "$(image "$1")"
    return
  fi
  # podman and buildah call it localhost/…; a cluster looks for a name without a registry under docker.io/library.
  archive=$(mktemp -d)
  "$builder" push "$(image "$1")" "docker-archive:$archive/image.tar:${REGISTRY:-docker.io/library}/$(basename "$(image "$1")")"
  kind load image-archive --name "${KIND_CLUSTER:-kind}" "$archive/image.tar"
  rm -r "$archive"
}

builder=${BUILDER:-$(find_builder)}
case $task in
  build)
    [ "$builder" = buildah ] && BUILD_OPTIONS="--layers ${BUILD_OPTIONS:-}"
    for service; do build "$service"; done
    echo "built with $builder:"
    for service; do echo "  $(image "$service")"; done
    ;;
  kind-load)
    command -v kind >/dev/null 2>&1 || { echo "images: kind is not installed; see https://kind.sigs.k8s.io" >&2; exit 1; }
    for service; do kind_load "$service"; done
    ;;
  *)
    echo "images: \"$task\" is no task; expected build or kind-load" >&2
    exit 2
    ;;
esac
