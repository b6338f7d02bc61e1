# The image of etcdsafe: Node with the libraries it is linked with, certificate authorities, and what the published package holds, with production dependencies only.
# There is no shell and no package manager in it. Every step is one that also runs without a container engine (test/packaging/dockerfile.test.ts does that), so those that
# fill the image work in a directory that becomes its root, by relative paths. `docker build --tag etcdsafe .`

FROM node:24.21.0-trixie AS dependencies
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# What no Node ever loads: builds for browsers and React Native, types, source maps.
RUN find node_modules -type d \( -path '*/dist/browser' -o -path '*/dist/react-native' \) -prune -exec rm -r {} + \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM node:24.21.0-trixie AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.ts scripts/
COPY src src/
RUN node scripts/build.ts

FROM node:24.21.0-trixie AS root
WORKDIR /image
COPY --from=dependencies /build/node_modules usr/local/lib/etcdsafe/node_modules/
COPY --from=build /build/dist usr/local/lib/etcdsafe/dist/
COPY package.json LICENSE usr/local/lib/etcdsafe/
COPY bin usr/local/lib/etcdsafe/bin/
RUN mkdir -p usr/local/bin etc/ssl/certs tmp && chmod 1777 tmp \
 && cp "$(command -v node)" usr/local/bin/node \
 && find usr/local/bin/node usr/local/lib/etcdsafe -type f \( -name node -o -name '*.node' \) -exec ldd {} + | grep -o '/lib[^ ]*' | grep -v ':$' | sort -u \
  | xargs cp --dereference --parents --target-directory=. \
 && cp --dereference /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ \
 && echo 'hosts: files dns' > etc/nsswitch.conf \
 && echo 'root:x:0:0::/:/nonexistent' > etc/passwd && echo 'etcdsafe:x:65532:65532::/:/nonexistent' >> etc/passwd \
 && echo 'root:x:0:' > etc/group && echo 'etcdsafe:x:65532:' >> etc/group

FROM scratch
COPY --from=root /image /
LABEL org.opencontainers.image.title="etcdsafe" \
      org.opencontainers.image.description="Backs up etcd, proves that the backups are good, and rebuilds clusters from them." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
# The one place that is written to without being asked is the temporary directory: spool files, and the cache of `list`.
ENV HOME="/" TMPDIR="/tmp" XDG_CACHE_HOME="/tmp" SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt"
USER 65532:65532
# Of an agent: does it answer, where its own arguments and this environment say? Whatever else process 1 is, a save say, is healthy as long as it runs: how that went,
# its exit code tells. Each check starts a Node, which costs more than the agent's own minute: so it is not made more often, and on a busy host that start alone may take
# ten seconds. Kubernetes asks by probes of its own.
HEALTHCHECK --interval=1m --timeout=30s --start-period=1m --retries=3 CMD ["/usr/local/bin/node", "/usr/local/lib/etcdsafe/bin/etcdsafe.js", "health", "1"]
ENTRYPOINT ["/usr/local/bin/node", "/usr/local/lib/etcdsafe/bin/etcdsafe.js"]
CMD ["help"]
