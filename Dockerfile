# The worker's image. `docker buildx bake wan` builds one with Wan's weights: see docker-bake.hcl.
# The worker is the last, small layer; below it lie what it runs on, and at the bottom the weights,
# so that neither new code nor a new library moves them.

# Slim, since torch's wheels carry CUDA themselves. Anything with Python 3.11, its venv module and
# the CAs' certificates will do.
ARG BASE_IMAGE=python:3.11-slim-bookworm


# --- What the worker runs on -------------------------------------------------------------------
FROM ${BASE_IMAGE} AS libraries

# Other places for pip to look in, such as a mirror; by default it asks PyPI. They end here.
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# Any value: leave in what models are compiled with (`acceleration = { compile = true }`), and see below.
ARG WITH_COMPILER=""

COPY builder/requirements.txt /build/builder/requirements.txt
# Out goes what nothing at run time opens: libraries' own tests, torch's tools (all but the one that
# it looks for when it is imported), archives for a linker and, without a compiler, C++ headers. And
# pip, whose work is done then.
# Bytecode is never held against its source again: nothing changes in an image, and looking at
# each of thousands of files costs time at every cold start. torch's helpers for tests are left out,
# some are in newer Python.
RUN set -eu; \
    python3 -m venv /opt/venv; \
    /opt/venv/bin/pip install --no-compile --progress-bar off -r /build/builder/requirements.txt; \
    /opt/venv/bin/pip uninstall -y pip; \
    cd /opt/venv/lib/python3.11/site-packages; \
    unused="-name tests"; \
    test -n "${WITH_COMPILER}" || unused="${unused} -o -name include"; \
    find . -name '*.dist-info' -prune -o -type d '(' ${unused} ')' -prune -exec rm -r {} +; \
    find torch/bin -type f ! -name torch_shm_manager -delete; \
    find . -type f -name '*.a' -delete; \
    rm -rf torch/test; \
    /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x 'torch/testing/_internal/' "${PWD}"


# --- What bakes --------------------------------------------------------------------------------
FROM libraries AS bakery
WORKDIR /build
# Of the worker only what a bake reads: new code elsewhere has nothing baked anew.
COPY builder /build/builder
COPY src/__init__.py src/errors.py src/generation.py /build/src/
COPY src/manifest /build/src/manifest
COPY src/pipelines /build/src/pipelines
COPY models /build/models


# The embedded model: small, and in every image, for a first try and self-tests. A checkout may be such
# that only its owner reads it, and the worker is not root.
FROM bakery AS demo
RUN cp -r /build/models /models \
    && chmod -R a+rX /models \
    && find /models -exec touch -h -d @0 {} +


# A folder for each model of the set, and in it what those before it did not bring, since two models
# may share a repository: a file with one link is in no folder yet. The record of what is there, which
# the worker holds it against, changes with each of them and comes last. Times are set to one value,
# so that the same weights are the same layer, wherever and whenever they were baked.
FROM bakery AS weights
# Ids of the manifest, with commas between them; eight at most, as there are eight layers for them.
ARG MODELS=""
# Any value: refuse what builder/models.lock.json does not have. What it has is held to in any case.
ARG FROZEN=""
COPY --from=demo /models/lock.json /models/lock.json
# A token only where a model's licence has to be accepted: `--secret id=HF_TOKEN,env=HF_TOKEN`.
RUN --mount=type=secret,id=HF_TOKEN \
    --mount=type=cache,target=/root/.cache/huggingface \
    set -eu; \
    cd /models; \
    mkdir -p /layers/1 /layers/2 /layers/3 /layers/4 /layers/5 /layers/6 /layers/7 /layers/8; \
    mkdir -p /layers/record /lock; \
    layer=0; \
    for model in $(echo "${MODELS}" | tr ',' ' '); do \
        layer=$((layer + 1)); \
        test -d "/layers/${layer}" || { echo "MODELS: at most 8 models, got ${MODELS}" >&2; exit 1; }; \
        (cd /build && /opt/venv/bin/python -m builder.fetch_models ${FROZEN:+--frozen} \
            --models "${model}" --out /models); \
        find . -type f -links 1 ! -path ./lock.json \
            -exec cp --parents -l -t "/layers/${layer}" {} +; \
    done; \
    cp lock.json /layers/record/; \
    test ! -f /build/builder/models.lock.json || cp /build/builder/models.lock.json /lock/; \
    chmod -R a+rX /layers; \
    find /layers -exec touch -h -d @0 {} +


# No image: commits and hashes of what was baked, for later bakes to match. See docs/deploy.md.
FROM scratch AS lock
COPY --from=weights /lock/ /


# --- The worker --------------------------------------------------------------------------------
FROM libraries AS worker
WORKDIR /app
COPY LICENSE handler.py test_input.json /app/
COPY src /app/src
RUN chmod -R a+rX /app \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app


# --- The image ---------------------------------------------------------------------------------
FROM ${BASE_IMAGE}

# The worker needs no rights: it reads weights and writes below /tmp. But a RunPod network volume
# belongs to root, and only root may write there: for an OUTPUT_DIR or STATE_DIR on a volume, build
# with RUN_AS=root. Reading weights from a volume needs no root.
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin worker

COPY --from=demo /models/ /models/
COPY --from=weights /layers/1/ /models/
COPY --from=weights /layers/2/ /models/
COPY --from=weights /layers/3/ /models/
COPY --from=weights /layers/4/ /models/
COPY --from=weights /layers/5/ /models/
COPY --from=weights /layers/6/ /models/
COPY --from=weights /layers/7/ /models/
COPY --from=weights /layers/8/ /models/
COPY --from=weights /layers/record/ /models/

# A model that is compiled needs a C++ compiler and Python's headers where it runs: on a GPU Triton
# builds its one helper with them, on a CPU torch builds all that it makes. Some 0.3 GB, so only for
# those who say `--build-arg WITH_COMPILER=1`; without it the worker refuses such a setting at start.
ARG WITH_COMPILER=""
RUN set -eu; \
    test -n "${WITH_COMPILER}" || exit 0; \
    headers=$(python3 -c "import sysconfig; print(sysconfig.get_config_var('INCLUDEPY'))"); \
    apt-get update; \
    apt-get install -y --no-install-recommends g++; \
    test -f "${headers}/Python.h" || apt-get install -y --no-install-recommends python3-dev; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*

COPY --from=libraries /opt/venv /opt/venv
COPY --from=worker /app /app

# Which model is loaded before the first job.
ARG DEFAULT_MODEL=demo
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    RUNPOD_LOG_LEVEL=INFO \
    MODELS_DIR=/models \
    DEFAULT_MODEL=${DEFAULT_MODEL}

ARG RUN_AS=worker
USER ${RUN_AS}
WORKDIR /app

# The worker listens on no port: RunPod watches its heartbeat. This says that its process is there,
# for those who run the image elsewhere. The brackets keep grep from finding itself.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15m \
    CMD ["sh", "-c", "grep -qs '/app/[h]andler.py' /proc/[0-9]*/cmdline"]

# Without RunPod around it, the worker does the job of /app/test_input.json and ends.
CMD ["python", "-u", "/app/handler.py"]
