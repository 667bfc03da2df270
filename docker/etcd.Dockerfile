# etcd as Debian has it, which is the one that Micro is tested with.
FROM debian:12-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends etcd-client etcd-server \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o etcd -g etcd -m 700 /data
USER etcd
VOLUME /data
CMD ["etcd", "--data-dir", "/data", "--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", "http://etcd:2379"]
