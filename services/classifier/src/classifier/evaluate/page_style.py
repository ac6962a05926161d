"""The page's style sheet: light and dark as the reader has it, from a phone's width up."""

STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1d2127;--soft:#5c6470;--line:#e2dfd7;--grid:#ebe8e1;
--a:#1f62ad;--b:#b4540a;--bad:#a8312a;--good:#1d7044;--tint:#eef3fa}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1c2026;--ink:#e8e6e1;--soft:#9da5b1;--line:#2f353d;
--grid:#272c33;--a:#6eb1ff;--b:#f0a05a;--bad:#ff8f85;--good:#6fcf97;--tint:#202a37}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1060px;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .5rem;letter-spacing:-.01em}
h2{font-size:1.25rem;margin:2.5rem 0 .5rem}
h3{font-size:.95rem;margin:1.25rem 0 .25rem}
p{margin:.25rem 0}
.soft,.note{color:var(--soft)}
.note{font-size:.9rem}
.cards{display:grid;grid-template-columns:repeat(4,1fr);gap:.75rem;margin:1.5rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.75rem .9rem}
.card b{display:block;font-size:1.45rem;line-height:1.25;font-weight:650}
.card span{color:var(--soft);font-size:.85rem;line-height:1.3;display:block}
td[colspan]{text-align:left;white-space:normal}
.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.45rem .75rem;text-align:right;white-space:nowrap}
th{color:var(--soft);font-weight:600;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--card)}
tr+tr td{border-top:1px solid var(--grid)}
td small{color:var(--soft);display:block;font-size:.75rem;line-height:1.2}
a{color:var(--a);text-decoration:none}
a:hover{text-decoration:underline}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1rem 1.25rem 1.25rem;
margin:1.25rem 0}
section h2{margin:0 0 .25rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(290px,1fr));gap:1rem;margin:.75rem 0}
figure{margin:0}
figcaption{font-size:.85rem;color:var(--soft)}
svg{width:100%;height:auto;display:block}
svg text{font-size:10px;fill:var(--soft)}
svg .caption{font-size:11px}
svg .side{font-size:10px;font-weight:600}
.grid{stroke:var(--grid);stroke-width:1;fill:none}
.axis{stroke:var(--soft);stroke-width:1;fill:none}
.curve{fill:none;stroke-width:2;stroke-linejoin:round}
.curve.a{stroke:var(--a)}
.curve.b{stroke:var(--b);stroke-dasharray:5 3}
.point.a{fill:var(--a)}
.point.b{fill:var(--b)}
.point{stroke:var(--card);stroke-width:1.5}
.point.chosen{fill:var(--card);stroke:var(--a);stroke-width:2}
.bars.about{fill:var(--a)}
.bars.others{fill:var(--soft);opacity:.55}
.line{stroke-width:1.5;fill:none}
.line.now{stroke:var(--ink)}
.line.chosen{stroke:var(--a);stroke-dasharray:4 3}
.key{display:inline-block;white-space:nowrap;margin-right:.9rem}
.key i{display:inline-block;width:.7em;height:.7em;margin-right:.35em;background:var(--a);border-radius:50%}
.key i.b{background:var(--b)}
.key i.chosen{background:none;border:2px solid var(--a);border-radius:0;transform:rotate(45deg) scale(.8)}
ul{list-style:none;margin:.25rem 0;padding:0}
li{padding:.5rem 0;border-top:1px solid var(--grid)}
li p{overflow-wrap:anywhere;unicode-bidi:plaintext}
.tag{display:inline-block;font-size:.75rem;font-weight:600;border-radius:5px;padding:.05rem .4rem;margin-right:.4rem;
background:var(--tint)}
.bad{color:var(--bad)}
.good{color:var(--good)}
.warn{border-left:3px solid var(--b);padding-left:.75rem;margin:.75rem 0}
@media (max-width:640px){main{padding:1.25rem .8rem 3rem}h1{font-size:1.4rem}section{padding:.8rem .9rem 1rem}
.cards{grid-template-columns:1fr 1fr}th,td{padding:.4rem .55rem}}
@media print{body{background:#fff}section{break-inside:avoid}}
"""
