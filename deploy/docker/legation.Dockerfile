# The image of the control plane, and of the init containers of Envoy's pods: legation
# and shutdown-manager, static, without a shell.
#
#   docker build --build-arg VERSION=$(git describe --tags --always) --file deploy/docker/legation.Dockerfile --tag legation .
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What `legation version` says.
ARG VERSION=""
ENV CGO_ENABLED=0
RUN go build -trimpath -ldflags "-s -w -X legation.dev/cmd/cli.version=${VERSION}" -o /out/ ./cmd/legation ./cmd/shutdown-manager

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/ /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/legation"]
CMD ["serve"]
