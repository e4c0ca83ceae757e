# Envoy with shutdown-manager as its parent, for who runs it elsewhere than in the
# pods of the chart, which copies the program in instead.
#
#   docker build --build-arg VERSION=$(git describe --tags --always) --file deploy/docker/envoy.Dockerfile --tag legation-envoy .
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What `legation version` says.
ARG VERSION=""
ENV CGO_ENABLED=0
RUN go build -trimpath -ldflags "-s -w -X legation.dev/cmd/cli.version=${VERSION}" -o /out/ ./cmd/shutdown-manager

FROM envoyproxy/envoy:distroless-v1.40.0
COPY --from=build /out/ /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/shutdown-manager", "run", "--admin", "unix:/run/legation/envoy-admin.sock", "--"]
CMD ["envoy", "--config-path", "/etc/envoy/envoy.yaml", "--disable-hot-restart"]
