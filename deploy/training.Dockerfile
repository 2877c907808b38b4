# Making models on a CPU, with Paddle: every mode of a config. In the folder of the project:
#   docker build -f deploy/training.Dockerfile -t anomaly-training .
# docs/deploy.md says how it is run; what it writes lies in /work, which must be given.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv
RUN python3 -m venv /opt/paddlex
WORKDIR /src
COPY locks/paddle.txt locks/demo.txt locks/
RUN /opt/paddlex/bin/pip install --no-cache-dir --require-hashes --no-deps -r locks/paddle.txt
RUN /opt/paddlex/bin/pip install --no-cache-dir --require-hashes -r locks/demo.txt
COPY . .
RUN /opt/paddlex/bin/pip install --no-cache-dir --no-deps .
RUN /opt/paddlex/bin/python -m paddlex.utils.bill_of_materials > /opt/paddlex/sbom.json
RUN /opt/paddlex/bin/pip uninstall --yes pip

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/paddlex /opt/paddlex
ENV PATH=/opt/paddlex/bin:/usr/bin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["paddlex"]
CMD ["--help"]
