# thermalwatch: one image for every role; the command picks it (`docker run thermalwatch work …`).

# The digest decides; the tag is for readers. `docker buildx imagetools inspect IMAGE:TAG` tells that of a
# newer image.
ARG PYTHON_IMAGE=python:3.11.16-slim-trixie@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

FROM $PYTHON_IMAGE AS build
# As in the Makefile. `--build-arg TORCH=torch` installs the newest build of the package index (CUDA
# on Linux); pip options may follow the name, such as `--index-url` with a CPU-only index.
ARG TORCH=torch==2.13.0
RUN python -m venv /opt/thermalwatch
ENV PATH=/opt/thermalwatch/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# Before the sources, so that changed code does not download torch again.
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt && pip install $TORCH
COPY pyproject.toml README.md LICENSE ./
COPY thermal thermal
COPY storage storage
COPY producer producer
COPY worker worker
COPY ops ops
RUN pip install --no-deps --no-build-isolation .

FROM $PYTHON_IMAGE
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data thermalwatch \
    && install -d -o thermalwatch -g thermalwatch /data /data/incoming /data/state
COPY --from=build /opt/thermalwatch /opt/thermalwatch
ENV PATH=/opt/thermalwatch/bin:$PATH PYTHONUNBUFFERED=1 THERMALWATCH_DATA=/data/state
WORKDIR /data
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s --retries=3 \
    CMD ["thermalwatch", "doctor", "--json"]
ENTRYPOINT ["thermalwatch"]
CMD ["--help"]
