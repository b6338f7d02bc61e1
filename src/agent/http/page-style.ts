// The page's style sheet. It holds no "<" and "&", and no attribute says anything about style: the policy only lets this text through.
export const PAGE_STYLE = `
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --text: #1b1f24; --quiet: #57606a; --line: #d0d7de; --good: #1a7f37; --warn: #8a5a00; --bad: #b3202a;
  --good-back: #e3f6e8; --warn-back: #fff4d6; --bad-back: #ffe9e9; --link: #0757b8; --doubt: #8a5a00; --window: #4c8dd6; --unconfirmed: #5fae77; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0d1117; --card: #161b22; --text: #e6edf3; --quiet: #9aa4af; --line: #30363d; --good: #56d071; --warn: #e8b339; --bad: #ff7b72;
    --good-back: #11291a; --warn-back: #2e2406; --bad-back: #3a1416; --link: #7ab7ff; --doubt: #e8b339; --window: #4c8dd6; --unconfirmed: #3f8f58; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1rem; background: var(--back); color: var(--text); font: 16px/1.45 -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: baseline; }
h1 { font-size: 1.25rem; margin: 0; }
header p { margin: 0; color: var(--quiet); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; margin: .8rem 0; }
h2 { font-size: 1.05rem; margin: 0 0 .4rem; }
h3 { font-size: .95rem; margin: .7rem 0 .3rem; }
p { margin: .2rem 0; }
ul { margin: .3rem 0; padding: 0; list-style: none; }
a { color: var(--link); }
.links a { margin-right: .6rem; }
code { font: .88em ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.quiet { color: var(--quiet); font-size: .9rem; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
#stale { position: sticky; top: 0; z-index: 1; margin: 0 0 .8rem; padding: .6rem 1rem; border-radius: 8px; background: var(--bad); color: var(--card); font-weight: 600; }
#stale:not([hidden]) ~ main { opacity: .4; }
#verdict { border-width: 2px; border-left-width: 10px; }
#verdict.ok { border-color: var(--good); background: var(--good-back); }
#verdict.warn { border-color: var(--warn); background: var(--warn-back); }
#verdict.bad { border-color: var(--bad); background: var(--bad-back); }
#verdict.bad, #verdict .bad { color: inherit; font-weight: inherit; }
#verdict h2 { font-size: 1.6rem; line-height: 1.2; margin-bottom: .6rem; }
#verdict.ok .sign { color: var(--good); }
#verdict.warn .sign { color: var(--warn); }
#verdict.bad .sign { color: var(--bad); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .5rem 1.2rem; margin: 0; }
.facts dt { color: var(--quiet); font-size: .85rem; }
.facts dd { margin: 0; font-size: .9rem; }
#verdict .facts dd strong { display: block; font-size: 1.15rem; }
.problems li { border-left: 4px solid var(--warn); padding: .1rem 0 .1rem .7rem; margin: .5rem 0; }
.problems li.bad { border-color: var(--bad); }
.message, .hint, .lines { display: block; white-space: pre-wrap; }
.message { font: .88rem/1.4 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.hint { font-size: .9rem; color: var(--quiet); }
.hint::before { content: "→ "; }
.lines { font-size: .9rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: .2rem 1.5rem; }
.card h3 { margin-top: .3rem; }
.list li { border-top: 1px solid var(--line); padding: .35rem 0; }
.list li:first-child { border-top: 0; }
.step { display: grid; grid-template-columns: 13rem 1fr 13rem; gap: .8rem; align-items: center; margin: .3rem 0; }
.step svg { display: block; }
.amount { font-variant-numeric: tabular-nums; }
.bar .track { fill: var(--line); }
.bar .done { fill: var(--window); }
.timeline { display: block; overflow: visible; }
.mark, .key { overflow: visible; }
.backup.proven { fill: var(--good); }
.backup.unconfirmed { fill: var(--unconfirmed); }
.backup.doubtful { fill: var(--doubt); }
.backup.damaged { fill: var(--bad); opacity: .5; }
.cross { stroke: var(--bad); stroke-width: 3; fill: none; }
.verified { fill: var(--good); }
.failure { fill: var(--bad); }
.window { fill: var(--window); }
.gap-area { fill: var(--bad); opacity: .13; }
.hatch { fill: var(--bad); opacity: .25; }
.gap-label { fill: var(--bad); font-size: 13px; font-weight: 600; paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.axis { stroke: var(--quiet); stroke-width: 1; }
.tick { fill: var(--quiet); font-size: 12px; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; color: var(--quiet); font-size: .85rem; }
.key { margin-right: .35rem; vertical-align: -2px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; color: var(--quiet); font-weight: 500; font-size: .85rem; }
th, td { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.state.proven { color: var(--good); }
.state.doubtful { color: var(--doubt); font-weight: 600; }
.state.damaged { color: var(--bad); font-weight: 600; }
@media (max-width: 42rem) {
  body { padding: .6rem; font-size: 15px; }
  section { padding: .7rem; }
  #verdict h2 { font-size: 1.3rem; }
  .facts { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); }
  .step { grid-template-columns: 1fr; gap: .1rem; }
  .second { display: none; }
  thead { display: none; }
  tr { display: block; border-bottom: 1px solid var(--line); padding: .35rem 0; }
  td { display: inline; border: 0; padding: 0 .5rem 0 0; }
  td:first-child { display: block; }
  td:nth-child(3)::before, td:nth-child(4)::before { content: attr(data-label) " "; color: var(--quiet); }
}
@media print { #stale { position: static; } section { break-inside: avoid; } }
`;
