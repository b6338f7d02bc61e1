{{- /* One of the four: chart, kind, schedule, suspend, args, limit (seconds, for all tries together). */}}
{{- define "etcdsafe.cronJob" }}
{{- $chart := .chart }}
{{- $certificate := $chart.Values.etcd.certificate }}
{{- $saves := has .kind (list "save" "pre-upgrade") }}
{{- $onNode := and $saves (ne $certificate "secret") }}
{{- $reports := and $chart.Values.reporting (ne .kind "restore") }}
{{- $opens := or (eq .kind "restore") (and (eq .kind "verify") $chart.Values.verify.ageIdentity) }}
{{- /* Of each Secret the name behind "etcdsafe-", by which it is also mounted. */}}
{{- $secrets := list }}
{{- $files := list }}
{{- $env := list }}
{{- if $saves }}
{{- $secrets = append $secrets (list "recipients") }}
{{- $env = append $env (list "ETCDSAFE_RECIPIENTS_FILE" "/etc/etcdsafe/recipients/recipients.txt") }}
{{- $env = append $env (list "ETCDSAFE_CACERT" "/etc/etcdsafe/etcd/ca.crt") }}
{{- $env = append $env (list "ETCDSAFE_CERT" "/etc/etcdsafe/etcd/tls.crt") }}
{{- $env = append $env (list "ETCDSAFE_KEY" "/etc/etcdsafe/etcd/tls.key") }}
{{- if eq $certificate "secret" }}
{{- $secrets = append $secrets (list "etcd") }}
{{- else if eq $certificate "kubeadm" }}
{{- $files = append $files (list "ca" "ca.crt" "/etc/kubernetes/pki/etcd/ca.crt") }}
{{- $files = append $files (list "cert" "tls.crt" "/etc/kubernetes/pki/etcd/healthcheck-client.crt") }}
{{- $files = append $files (list "key" "tls.key" "/etc/kubernetes/pki/etcd/healthcheck-client.key") }}
{{- else }}
{{- $files = append $files (list "ca" "ca.crt" "/var/lib/rancher/k3s/server/tls/etcd/server-ca.crt") }}
{{- $files = append $files (list "cert" "tls.crt" "/var/lib/rancher/k3s/server/tls/etcd/client.crt") }}
{{- $files = append $files (list "key" "tls.key" "/var/lib/rancher/k3s/server/tls/etcd/client.key") }}
{{- end }}
{{- end }}
{{- if eq $chart.Values.store.access "s3-keys" }}
{{- $secrets = append $secrets (list "store") }}
{{- $env = append $env (list "ETCDSAFE_S3_CREDENTIALS" "/etc/etcdsafe/store") }}
{{- end }}
{{- if $opens }}
{{- $secrets = append $secrets (list "identity") }}
{{- $env = append $env (list "ETCDSAFE_IDENTITY_FILE" "/etc/etcdsafe/identity/identity.txt") }}
{{- end }}
{{- if $reports }}
{{- $secrets = append $secrets (list "reporting") }}
{{- $env = append $env (list "ETCDSAFE_NOTIFY_FILE" "/etc/etcdsafe/reporting/notify") }}
{{- if eq .kind "save" }}
{{- $env = append $env (list "ETCDSAFE_HEARTBEAT_FILE" "/etc/etcdsafe/reporting/heartbeat") }}
{{- end }}
{{- end }}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: etcdsafe-{{ .kind }}
  namespace: {{ $chart.Release.Namespace }}
  labels:
    app.kubernetes.io/name: etcdsafe
    app.kubernetes.io/component: {{ .kind }}
spec:
  schedule: {{ .schedule | quote }}
  timeZone: Etc/UTC
  suspend: {{ .suspend | default false }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    metadata:
      labels:
        app.kubernetes.io/name: etcdsafe
        app.kubernetes.io/component: {{ .kind }}
    spec:
      # For all tries together.
      activeDeadlineSeconds: {{ .limit }}
      backoffLimit: 2
      podFailurePolicy:
        rules:
          # Wrong settings, partly done, damaged, not found, refused, no key: the same again would end the same.
          - action: FailJob
            onExitCodes:
              containerName: etcdsafe
              operator: In
              values: [2, 3, 6, 8, 9, 10]
          # A node that is drained is no failed try.
          - action: Ignore
            onPodConditions:
              - type: DisruptionTarget
                status: "True"
      template:
        metadata:
          labels:
            app.kubernetes.io/name: etcdsafe
            app.kubernetes.io/component: {{ .kind }}
            {{- if eq $chart.Values.store.access "azure" }}
            azure.workload.identity/use: "true"
            {{- end }}
        spec:
          restartPolicy: Never
          serviceAccountName: etcdsafe
          automountServiceAccountToken: false
          # A Service named etcdsafe would set variables that begin as those of options do.
          enableServiceLinks: false
          {{- if $onNode }}
          # The members listen on the nodes' own addresses, and on 127.0.0.1.
          hostNetwork: true
          dnsPolicy: ClusterFirstWithHostNet
          nodeSelector:
            {{- if eq $certificate "kubeadm" }}
            node-role.kubernetes.io/control-plane: ""
            {{- else }}
            node-role.kubernetes.io/etcd: "true"
            {{- end }}
          tolerations:
            - key: node-role.kubernetes.io/control-plane
              operator: Exists
              effect: NoSchedule
            {{- if eq $certificate "k3s" }}
            - key: node-role.kubernetes.io/etcd
              operator: Exists
              effect: NoExecute
            {{- end }}
          {{- end }}
          securityContext:
            # The key on a node belongs to root, with mode 0600. Root without any capability reads what is root's own, and nothing else.
            runAsNonRoot: {{ not $onNode }}
            runAsUser: {{ ternary 0 65532 $onNode }}
            runAsGroup: {{ ternary 0 65532 $onNode }}
            fsGroup: 65532
            seccompProfile:
              type: RuntimeDefault
          containers:
            - name: etcdsafe
              image: "{{ $chart.Values.image.repository }}:{{ $chart.Values.image.tag | default $chart.Chart.AppVersion }}"
              args:
                {{- toYaml .args | nindent 16 }}
              envFrom:
                - configMapRef:
                    name: etcdsafe
              {{- with $env }}
              env:
                {{- range . }}
                - name: {{ index . 0 }}
                  value: {{ index . 1 }}
                {{- end }}
              {{- end }}
              # The error that ended the run is written there; the log's end stands in for it where a run was killed.
              terminationMessagePolicy: FallbackToLogsOnError
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities:
                  drop:
                    - ALL
              resources:
                requests:
                  cpu: 100m
                  memory: 256Mi
                  ephemeral-storage: 2Gi
                limits:
                  memory: 512Mi
                  ephemeral-storage: 10Gi
              volumeMounts:
                - name: spool
                  mountPath: /tmp
                {{- range $secrets }}
                - name: {{ index . 0 }}
                  mountPath: /etc/etcdsafe/{{ index . 0 }}
                  readOnly: true
                {{- end }}
                {{- range $files }}
                - name: etcd-{{ index . 0 }}
                  mountPath: /etc/etcdsafe/etcd/{{ index . 1 }}
                  readOnly: true
                {{- end }}
                {{- if eq .kind "restore" }}
                - name: restore
                  mountPath: /restore
                {{- end }}
          volumes:
            # The snapshot lies here while it is looked into: room for the largest database that etcd is advised to have, 8 GiB.
            - name: spool
              emptyDir:
                sizeLimit: 9Gi
            {{- range $secrets }}
            - name: {{ index . 0 }}
              secret:
                secretName: etcdsafe-{{ index . 0 }}
                defaultMode: 0440
            {{- end }}
            {{- range $files }}
            - name: etcd-{{ index . 0 }}
              hostPath:
                path: {{ index . 2 }}
                type: File
            {{- end }}
            {{- if eq .kind "restore" }}
            - name: restore
              persistentVolumeClaim:
                claimName: etcdsafe-restore
            {{- end }}
{{- end }}
