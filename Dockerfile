# One image a program; the last one is the default:
#
#   docker build -t task-center .                  everything in one process
#   docker build -t task-center-api --target api .
#   docker build -t task-center-worker --target worker .
#   docker build -t suno-simulator --target suno-simulator .
#
# docker-compose.yml builds and connects them. Needs BuildKit, the default since Docker 23.

FROM rust:1.95-bookworm AS builder
# What `task_center_build_info` shows: --build-arg TASK_CENTER_COMMIT=$(git rev-parse HEAD)
ARG TASK_CENTER_COMMIT=unknown
WORKDIR /src
COPY . .
# The caches keep downloads and compiled crates from one build to the next.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked -p api -p worker -p task-center -p suno-simulator \
 && mkdir /out \
 && cp target/release/api target/release/worker target/release/task-center target/release/suno-simulator /out/

# ca-certificates: upstreams are called over HTTPS. task-center keeps its database in the folder data,
# which is made here so that a volume mounted on it belongs to the user.
FROM debian:bookworm-slim AS runtime
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --user-group --uid 10001 --shell /usr/sbin/nologin \
      --home-dir /var/lib/task-center --create-home task-center \
 && install -d -o task-center -g task-center /var/lib/task-center/data
COPY --chmod=755 scripts/container-health /usr/local/bin/
USER 10001:10001
WORKDIR /var/lib/task-center

FROM runtime AS suno-simulator
COPY --from=builder /out/suno-simulator /usr/local/bin/
EXPOSE 3002
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["container-health", "3002", "/simulator/counts"]
ENTRYPOINT ["suno-simulator", "--bind", "0.0.0.0:3002"]

# The checks ask whether the programs live, not whether they are ready: a worker that waits for its database may hold the
# outcomes of submits that nobody else knows, and must not be killed.
FROM runtime AS worker
COPY --from=builder /out/worker /usr/local/bin/
ENV WORKER_BIND=0.0.0.0:3001
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["container-health", "3001", "/healthz"]
ENTRYPOINT ["worker"]

FROM runtime AS api
COPY --from=builder /out/api /usr/local/bin/
ENV API_BIND=0.0.0.0:3000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["container-health", "3000", "/healthz"]
ENTRYPOINT ["api"]

FROM runtime AS task-center
COPY --from=builder /out/task-center /usr/local/bin/
ENV API_BIND=0.0.0.0:3000
EXPOSE 3000
VOLUME /var/lib/task-center/data
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["container-health", "3000", "/healthz"]
ENTRYPOINT ["task-center"]
