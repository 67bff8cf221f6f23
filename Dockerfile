# Two images, which compose.yaml builds and runs:
#   transcribe  uses exported models; light, without torch
#   train       everything but Ray, with whisper-base
# Both have all language packs.
# The steps are those of README.md, "Install it for real".
#
# Build arguments:
#   DEVICE=cpu|gpu    gpu adds what CTranslate2 needs on an NVIDIA card
#   TORCH_INDEX_URL   package index with other builds of torch (the CPU ones are much smaller);
#                     empty: what pip takes by itself
FROM python:3.11-slim AS base

ENV PYTHONUTF8=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    RUACH_CACHE=/cache/ruach \
    HF_HOME=/cache/huggingface

# /cache is open to all, so that the container can run as whoever owns the models folder.
RUN groupadd --gid 1000 ruach \
    && useradd --uid 1000 --gid ruach --create-home ruach \
    && mkdir --mode 1777 /cache /cache/ruach /cache/huggingface

WORKDIR /src
COPY constraints.txt ./

ARG DEVICE=cpu
RUN if [ "$DEVICE" = gpu ]; then pip install nvidia-cublas-cu12==12.9.*; fi


FROM base AS transcribe

COPY pyproject.toml README.md LICENSE ./
COPY ruach_core ruach_core
COPY languages languages
RUN pip install --constraint constraints.txt . ./languages/*

USER 1000:1000
WORKDIR /home/ruach
ENTRYPOINT ["ruach"]
CMD ["transcribe", "--help"]


FROM base AS train

# Before the source, so that a change of it doesn't install torch again.
ARG TORCH_INDEX_URL=""
RUN if [ -n "$TORCH_INDEX_URL" ]; then export PIP_INDEX_URL="$TORCH_INDEX_URL"; fi \
    && grep '^torch==' constraints.txt > torch.txt \
    && pip install --requirement torch.txt

COPY pyproject.toml README.md LICENSE ./
COPY ruach_core ruach_core
COPY languages languages
COPY plugins plugins
RUN pip install --constraint constraints.txt \
    ".[train,lora]" ./languages/* ./plugins/ruach-data-* ./plugins/ruach-model-whisper-base

USER 1000:1000
WORKDIR /home/ruach
ENTRYPOINT ["ruach"]
CMD ["train", "--help"]
