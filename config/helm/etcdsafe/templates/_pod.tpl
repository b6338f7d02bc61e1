{{- /* The Pod of one of the CronJobs, or of the agent: chart, kind, args. */}}
{{- define "etcdsafe.pod" }}
{{- $chart := .chart }}
{{- $certificate := $chart.Values.etcd.certificate }}
{{- $isAgent := eq .kind "agent" }}
{{- $saves := has .kind (list "save" "pre-upgrade" "agent") }}
{{- $onNode := and $saves (ne $certificate "secret") }}
{{- $reports := and $chart.Values.reporting (ne .kind "restore") }}
{{- $opens := or (eq .kind "restore") (and (has .kind (list "verify" "agent")) $chart.Values.verify.ageIdentity) }}
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
{{- /* Variables and no files: one that is not there, or empty, then counts as not set, and keeps no backup from being made. */}}
{{- $told := dict }}
{{- if $reports }}
{{- $_ := set $told "ETCDSAFE_NOTIFY" "notify" }}
{{- if has .kind (list "save" "agent") }}
{{- $_ := set $told "ETCDSAFE_HEARTBEAT" "heartbeat" }}
{{- end }}
{{- end }}
metadata:
  labels:
    app.kubernetes.io/name: etcdsafe
    app.kubernetes.io/component: {{ .kind }}
    {{- if eq $chart.Values.store.access "azure" }}
    azure.workload.identity/use: "true"
    {{- end }}
  {{- if $isAgent }}
  annotations:
    # Its Pods take their variables when they start: other ones are other Pods.
    checksum/config: {{ include (print $chart.Template.BasePath "/config.yaml") $chart | sha256sum }}
  {{- end }}
spec:
  {{- if not $isAgent }}
  restartPolicy: Never
  {{- end }}
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
    # Of servers that are to run nothing else, as k3s' own addons tolerate it.
    - key: CriticalAddonsOnly
      operator: Exists
    {{- end }}
  {{- end }}
  {{- if $isAgent }}
  # The agent stops within ten; where a resolver or a mount hangs, its process takes longer.
  terminationGracePeriodSeconds: 30
  # Who stands by should not go down with the node of the one that works.
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          app.kubernetes.io/name: etcdsafe
          app.kubernetes.io/component: agent
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
      {{- with $chart.Values.image }}
      image: "{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $chart.Chart.AppVersion }}{{ end }}"
      {{- end }}
      args:
        {{- toYaml .args | nindent 8 }}
      envFrom:
        - configMapRef:
            name: etcdsafe
      {{- if or $env $told }}
      env:
        {{- range $env }}
        - name: {{ index . 0 }}
          value: {{ index . 1 }}
        {{- end }}
        {{- range $name, $key := $told }}
        - name: {{ $name }}
          valueFrom:
            secretKeyRef:
              name: etcdsafe-reporting
              key: {{ $key }}
              optional: true
        {{- end }}
      {{- end }}
      {{- if $isAgent }}
      ports:
        - name: http
          containerPort: 9379
      # Answers whatever etcd and the store do. A restart drops what runs, so that it takes a minute of silence.
      livenessProbe:
        httpGet:
          path: /healthz
          port: http
          {{- if $onNode }}
          host: 127.0.0.1
          {{- end }}
        periodSeconds: 20
        timeoutSeconds: 5
        failureThreshold: 3
      # Standing by is being ready; the one that works is it once it has read the repository. A rollout waits for it.
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
          {{- if $onNode }}
          host: 127.0.0.1
          {{- end }}
        periodSeconds: 10
        timeoutSeconds: 5
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
          ephemeral-storage: {{ ternary "19Gi" "10Gi" $isAgent }}
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
        {{- with $chart.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    # The snapshot lies here while it is looked into, up to the largest database that etcd is advised to have, 8 GiB; the agent's save and verification have one each.
    - name: spool
      emptyDir:
        sizeLimit: {{ ternary "18Gi" "9Gi" $isAgent }}
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
    {{- with $chart.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
