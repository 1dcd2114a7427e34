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

COPY builder/requirements.txt /build/builder/requirements.txt
# Bytecode is never held against its source again: nothing changes in an image, and looking at
# each of thousands of files costs time at every cold start. What is left out are torch's own tests,
# some in newer Python. pip itself has done its work then.
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-compile --progress-bar off -r /build/builder/requirements.txt \
    && /opt/venv/bin/pip uninstall -y pip \
    && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x 'torch/testing/_internal/' /opt/venv/lib/python3.11/site-packages


# --- What bakes --------------------------------------------------------------------------------
FROM libraries AS bakery
WORKDIR /build
COPY builder /build/builder
COPY src /build/src


# The embedded model: small, random, and in every image, for self-tests. Weights may be written so
# that only root reads them, and the worker is not root.
FROM bakery AS demo
RUN /opt/venv/bin/python -m builder.tiny_models /models demo \
    && chmod -R a+rX /models \
    && find /models -exec touch -h -d @0 {} +


# A folder for each model of the set, and in it what those before it did not bring, since two models
# may share a repository: a file with one link is in no folder yet. Times are set to one value, so
# that the same weights are the same layer, wherever and whenever they were baked.
FROM bakery AS weights
# Ids of the manifest, with commas between them; eight at most, as there are eight layers for them.
ARG MODELS=""
# A token only where a model's licence has to be accepted: `--secret id=HF_TOKEN,env=HF_TOKEN`.
RUN --mount=type=secret,id=HF_TOKEN \
    --mount=type=cache,target=/root/.cache/huggingface \
    set -eu; \
    mkdir -p /models /layers/1 /layers/2 /layers/3 /layers/4 /layers/5 /layers/6 /layers/7 /layers/8; \
    layer=0; \
    for model in $(echo "${MODELS}" | tr ',' ' '); do \
        layer=$((layer + 1)); \
        test -d "/layers/${layer}" || { echo "MODELS: at most 8 models, got ${MODELS}" >&2; exit 1; }; \
        /opt/venv/bin/python -m builder.fetch_models --models "${model}" --out /models; \
        (cd /models && find . -type f -links 1 -exec cp --parents -l -t "/layers/${layer}" {} +); \
    done; \
    chmod -R a+rX /layers; \
    find /layers -exec touch -h -d @0 {} +


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
