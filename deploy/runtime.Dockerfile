# Judging on a CPU, without Paddle: the service, or a station on the line. In the folder of the project:
#   docker build -f deploy/runtime.Dockerfile -t anomaly-runtime .
# docs/deploy.md says how it is run: as nobody in particular, on a root that cannot be written.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv
RUN python3 -m venv /opt/paddlex
WORKDIR /src
COPY locks/runtime.txt locks/
RUN /opt/paddlex/bin/pip install --no-cache-dir --require-hashes -r locks/runtime.txt
COPY . .
RUN /opt/paddlex/bin/pip install --no-cache-dir --no-deps .
RUN /opt/paddlex/bin/python -m paddlex.utils.bill_of_materials > /opt/paddlex/sbom.json
RUN /opt/paddlex/bin/pip uninstall --yes pip

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/paddlex /opt/paddlex
ENV PATH=/opt/paddlex/bin:/usr/bin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["paddlex"]
CMD ["--serve", "--pipeline", "/models/default", "--host", "0.0.0.0", "--port", "8080"]
