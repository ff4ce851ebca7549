# The image of vault-issuer: `make image`, or `docker build .`, or `buildah build .`
#
# Packages are those of the hashed locks. Where the folder wheels/ holds them (`make wheels`), no index is asked.
# PYTHON_IMAGE is any image with Python 3.11 to 3.13 and its venv; RUNTIME_IMAGE one with the same Python, and it
# may lack a shell. All commands run on the builder's own machine: for another architecture nothing is emulated,
# as the packages come as its wheels, and byte code is the same everywhere.
ARG PYTHON_IMAGE=python:3.13-slim
ARG RUNTIME_IMAGE=${PYTHON_IMAGE}

FROM ${RUNTIME_IMAGE} AS runtime

FROM --platform=${BUILDPLATFORM} ${PYTHON_IMAGE} AS packages
# The architecture that the image is for, as Go calls it; the builder gives it.
ARG TARGETARCH
ENV PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY locks/build.txt locks/runtime.txt locks/
COPY tools/wheels.py tools/
COPY wheels wheels
# This layer hangs on the locks and the base alone, so a builder that keeps layers makes it once.
# The Kubernetes client's models and calls are most of its size and are never imported (tests/unit/kube/test_image.py).
# Byte code that is never checked against its source makes a start quick on a file system that can't be written.
RUN python3 -m venv venv \
 && if ls wheels/*.whl >/dev/null 2>&1; then printf '[global]\nno-index = true\nfind-links = /build/wheels\n' > venv/pip.conf; fi \
 && venv/bin/pip install --quiet --no-deps --require-hashes --only-binary :all: -r locks/build.txt \
 && venv/bin/python tools/wheels.py --into /app ${TARGETARCH:+--arch ${TARGETARCH}} \
 && rm -rf /app/bin \
 && find /app/kubernetes/client/models /app/kubernetes/client/api /app/kubernetes/aio/client/models /app/kubernetes/aio/client/api \
      -name '*.py' ! -name '__init__.py' -delete \
 && find /app -name '*.pyi' -delete \
 && find /app -depth -type d \( -name tests -o -name test -o -name __pycache__ \) -exec rm -rf {} + \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /app \
 && chmod -R u=rwX,go=rX /app \
 && find /app -exec touch -h -d @0 {} +

FROM --platform=${BUILDPLATFORM} packages AS build
# Seconds since 1970 that every file of ours gets, so that the same sources give the same layer.
ARG SOURCE_DATE_EPOCH=0
COPY tools/sbom.py tools/
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY issuer issuer
# What the base consists of; without a shell it has status.d instead of status.
COPY --from=runtime /var/lib/dpkg base
COPY --from=runtime /usr/lib/os-release base-os-release
RUN venv/bin/pip install --quiet --no-deps --no-build-isolation --no-index --no-compile --target /ours . \
 && rm /ours/bin/kubectl* \
 && sed -i "1s|.*|#!$(readlink -f venv/bin/python3) -P|" /ours/bin/vault-issuer \
 && python3 tools/sbom.py --packages /app --packages /ours --lock locks/runtime.txt --dpkg base --os-release base-os-release --output /ours/vault-issuer.cdx.json \
 && python3 -m compileall -q -s /ours -p /app --invalidation-mode unchecked-hash /ours \
 && chmod -R u=rwX,go=rX /ours \
 && find /ours -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +

# The packages are a layer of their own: who has an image of the same locks and base has it already.
FROM runtime AS packaged
COPY --from=packages /app /app

FROM packaged
COPY --from=build /ours /app
# tools.image gives these; an empty label means that nobody said it.
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=
ARG BASE_NAME=
ARG BASE_DIGEST=
LABEL org.opencontainers.image.title="vault-issuer" \
      org.opencontainers.image.description="cert-manager external issuer for HashiCorp Vault and OpenBao PKI" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE_NAME}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/app/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /
USER 65532:65532
EXPOSE 9402
ENTRYPOINT ["python3", "-P", "-m", "issuer"]
CMD ["controller"]
