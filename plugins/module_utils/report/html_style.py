# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the page of a status looks: colours of both schemes, layout, print. Data only.

Colours come in pairs: a text of ``--x-ink`` stands on ``--x-bg`` only, in either scheme with a contrast of 4.5 or more
(WCAG AA), and what tells one thing from another, ``--x-line``, with 3 or more on ``--card-bg``. A test computes it.
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;
--page-bg:#f5f6fa;--page-ink:#1b1f2a;--dim-bg:#f5f6fa;--dim-ink:#565d6d;
--card-bg:#fff;--card-ink:#1b1f2a;--card-line:#7d8596;--faint-bg:#eceef4;--faint-ink:#30374a;
--link-bg:#fff;--link-ink:#1d4fa3;--hair:#d7dbe5;--focus-line:#1d4fa3;
--ready-bg:#d3efdc;--ready-ink:#12502b;--ready-line:#2f8a4f;
--progressing-bg:#d8e6fc;--progressing-ink:#173d80;--progressing-line:#3a73cf;
--unknown-bg:#e4e5ea;--unknown-ink:#3b3f4b;--unknown-line:#747a88;
--warning-bg:#ffe3a3;--warning-ink:#5f3b00;--warning-line:#a86a00;
--failed-bg:#c4261d;--failed-ink:#fff;--failed-line:#a01a12;
--missing-bg:#5b1533;--missing-ink:#fff;--missing-line:#5b1533}
@media screen and (prefers-color-scheme:dark){:root{
--page-bg:#11141b;--page-ink:#e6e9f1;--dim-bg:#11141b;--dim-ink:#a3abbd;
--card-bg:#1a1f2a;--card-ink:#e6e9f1;--card-line:#7d879b;--faint-bg:#262d3b;--faint-ink:#d3d9e6;
--link-bg:#1a1f2a;--link-ink:#8db8ff;--hair:#313a4b;--focus-line:#8db8ff;
--ready-bg:#173f28;--ready-ink:#a6ecc0;--ready-line:#46a86b;
--progressing-bg:#1b3763;--progressing-ink:#bcd7ff;--progressing-line:#6ea0ee;
--unknown-bg:#3a3f4c;--unknown-ink:#dfe3ec;--unknown-line:#8f97a8;
--warning-bg:#5a3d00;--warning-ink:#ffdf9a;--warning-line:#d99a28;
--failed-bg:#e5534b;--failed-ink:#180202;--failed-line:#ef6f68;
--missing-bg:#f3b7cd;--missing-ink:#3b0a20;--missing-line:#f3b7cd}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
body{margin:0 auto;padding:1.5rem clamp(1rem,4vw,3rem) 3rem;max-width:100rem;background:var(--page-bg);
color:var(--page-ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1,h2,h3,p,ul,dl,dd{margin:0;padding:0}ul{list-style:none}
h1{font-size:2.2rem;line-height:1.15;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:2.5rem 0 .8rem}
h3{font-size:1.05rem;display:flex;flex-wrap:wrap;gap:.4rem .7rem;align-items:center}
a{color:var(--link-ink)}
code{font:.92em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere;
background:var(--faint-bg);color:var(--faint-ink);border-radius:.25rem;padding:.1em .35em}
:focus-visible{outline:3px solid var(--focus-line);outline-offset:2px;border-radius:.25rem}
:target{outline:3px solid var(--focus-line);outline-offset:2px}
.skip{position:absolute;left:-100rem}.skip:focus{left:1rem;top:1rem;background:var(--link-bg);
padding:.5rem 1rem;z-index:1}
.over{font-size:.85rem;letter-spacing:.04em;color:var(--dim-ink)}.dim,.count,.since{color:var(--dim-ink)}
.count{font-weight:400;margin-left:auto}.summary{font-size:1.15rem;margin:.4rem 0 1.2rem}
.tiles{display:flex;flex-wrap:wrap;gap:.7rem}
.tile{display:grid;grid-template-columns:auto 1fr;column-gap:.7rem;align-items:center;min-width:9.5rem;
padding:.6rem 1rem;border-radius:.6rem}
.tile .sign{grid-row:1/3;font-size:1.5rem;font-weight:700;width:1.2em;text-align:center}
.tile b{font-size:1.6rem;line-height:1.1;font-variant-numeric:tabular-nums}
.facts{display:flex;flex-wrap:wrap;gap:.6rem 2.5rem;margin:1.2rem 0}
dt{font-size:.85rem;color:var(--dim-ink)}dd{overflow-wrap:anywhere}
nav{border-block:1px solid var(--hair);padding:.5rem 0}nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.5rem}
nav a{color:var(--link-ink);display:inline-block;padding:.2rem 0}
.ready{background:var(--ready-bg);color:var(--ready-ink);border-color:var(--ready-line)}
.progressing,.progress{background:var(--progressing-bg);color:var(--progressing-ink);border-color:var(--progressing-line)}
.unknown{background:var(--unknown-bg);color:var(--unknown-ink);border-color:var(--unknown-line)}
.warning{background:var(--warning-bg);color:var(--warning-ink);border-color:var(--warning-line)}
.failed{background:var(--failed-bg);color:var(--failed-ink);border-color:var(--failed-line)}
.missing{background:var(--missing-bg);color:var(--missing-ink);border-color:var(--missing-line)}
.badge{display:inline-block;border-radius:1rem;padding:.05rem .7rem;font-size:.85rem;font-weight:600;
text-decoration:none;white-space:nowrap}a.badge:hover,a.cell:hover{text-decoration:underline}
.problem,.node,.well,.plain li{background:var(--card-bg);color:var(--card-ink);border:1px solid var(--hair);
border-radius:.6rem}
.problem .dim,.problem .count,.problem .since,.node .dim,.node .over{color:var(--dim-ink)}
.problem{border-left:.4rem solid var(--warning-line);padding:.9rem 1.2rem;margin-bottom:1rem}
.problem.failed{border-left-color:var(--failed-line)}
.reason{border-top:1px solid var(--hair);margin-top:.8rem;padding-top:.8rem}
.reason p{overflow-wrap:anywhere}.who{font-weight:600}.do{margin-top:.3rem}
.label{font-size:.85rem;font-weight:600;color:var(--dim-ink);margin-right:.3rem}
.more{margin-top:.8rem}.well{padding:.9rem 1.2rem;border-left:.4rem solid var(--ready-line)}
.plain li{padding:.5rem 1rem;margin:.5rem 0;overflow-wrap:anywhere}
.legend{display:flex;flex-wrap:wrap;gap:.4rem 1.5rem;margin-bottom:1.2rem;font-size:.9rem}
.legend li{display:flex;gap:.5rem;align-items:center}
.node{padding:.7rem 1rem}.name{font-weight:600;overflow-wrap:anywhere}
.top{display:flex;flex-wrap:wrap;gap:.3rem .8rem;align-items:center;width:fit-content;margin:0 auto;
padding:.8rem 1.4rem;border-width:2px;border-color:var(--card-line)}
.tree .regions{position:relative;margin-top:1.6rem;padding-top:1.6rem;border-top:2px solid var(--card-line)}
.tree .regions::before{content:"";position:absolute;left:50%;top:-1.6rem;height:1.6rem;
border-left:2px solid var(--card-line)}
.regions{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr));gap:1.2rem 1rem}
.regions:has(>:only-child){grid-template-columns:minmax(0,26rem);justify-content:center;border-top:0;padding-top:0}
.regions>:only-child::before{display:none}
.regions.dense{grid-template-columns:repeat(auto-fill,minmax(min(100%,13.5rem),1fr));gap:.8rem}
.region{position:relative;border-top:.3rem solid var(--card-line)}
.tree .region::before{content:"";position:absolute;left:50%;top:-1.1rem;height:.8rem;border-left:2px solid var(--hair)}
.region.ready{border-top-color:var(--ready-line)}.region.progressing{border-top-color:var(--progressing-line)}
.region.warning{border-top-color:var(--warning-line)}.region.failed{border-top-color:var(--failed-line)}
.region.missing{border-top-color:var(--missing-line)}.region.unknown{border-top-color:var(--unknown-line)}
.head{display:flex;flex-wrap:wrap;gap:.1rem .7rem;align-items:center}.head .dim{font-size:.85rem}
.cells{display:flex;flex-wrap:wrap;gap:4px;margin-top:.6rem}.cells li{display:flex;max-width:100%}
.cell{display:inline-flex;align-items:center;justify-content:center;min-width:24px;height:24px;border-width:1px;
border-style:solid;border-radius:.3rem;font-size:.9rem;font-weight:700;line-height:1;text-decoration:none}
.cell.named{height:auto;min-height:28px;padding:.25rem .6rem;gap:.45rem;font-weight:400;justify-content:start;
overflow-wrap:anywhere}
.scrolled{overflow-x:auto;background:var(--card-bg);color:var(--card-ink);border:1px solid var(--hair);
border-radius:.6rem;margin:.8rem 0}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;padding:.6rem 1rem;font-weight:600}
th,td{text-align:left;padding:.35rem 1rem;border-top:1px solid var(--hair);vertical-align:top}
th[scope=row]{font-weight:400}td,th{overflow-wrap:break-word}
summary{cursor:pointer;color:var(--link-ink);padding:.3rem 0}
footer{margin-top:3rem;border-top:1px solid var(--hair);padding-top:.8rem;color:var(--dim-ink);font-size:.9rem}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
@media print{@page{margin:14mm}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
:root{color-scheme:light;--page-bg:#fff;--dim-bg:#fff}
body{padding:0;max-width:none;font-size:10pt}nav,.skip,details:not([open]):not(.more){display:none}
section:has(>details:not([open])){display:none}
.problem,.node,tr,.tile{break-inside:avoid}h2,h3{break-after:avoid}a{color:inherit;text-decoration:none}
.regions,.regions.dense{grid-template-columns:repeat(4,1fr);gap:.5rem}.node{padding:.4rem .6rem}
.cell{min-width:18px;height:18px;font-size:8pt}.scrolled{overflow:visible}}
"""
