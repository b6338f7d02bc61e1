{{- /* One of the four: chart, kind, schedule, suspend, args, limit (seconds, for all tries together). */}}
{{- define "etcdsafe.cronJob" }}
{{- $chart := .chart }}
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
        {{- include "etcdsafe.pod" . | trim | nindent 8 }}
{{- end }}
