# Prognoscope on a CPU: docker build -t prognoscope . && docker run --rm -v "$PWD:/data" prognoscope check study.yaml
# With a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130, and docker run --gpus all --shm-size 8g
FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=anndata,encoders,search
ENV OMP_NUM_THREADS=1 MPLCONFIGDIR=/tmp/matplotlib PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/prognoscope
COPY pyproject.toml README.md LICENSE constraints.txt requirements-lock.txt ./
COPY src src
RUN pip install -c constraints.txt torch torchvision --index-url "$TORCH_INDEX" \
    && pip install -c requirements-lock.txt ".[$EXTRAS]"
WORKDIR /data
ENTRYPOINT ["prognoscope"]
