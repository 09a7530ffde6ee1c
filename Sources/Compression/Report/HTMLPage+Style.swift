extension HTMLPage {
    /// The page's look. Colours are variables, so that dark pages only replace those; paper is always light.
    static let styleSheet = """
        :root{--paper:#fff;--panel:#f5f6f8;--ink:#1b2027;--soft:#5a6472;--line:#dde1e7;--other:#c7ccd4}
        @media screen and (prefers-color-scheme:dark){:root{--paper:#14171c;--panel:#1e232a;--ink:#e8ebef;--soft:#a0a9b6;--line:#323943;--other:#4a525e}}
        *{box-sizing:border-box}
        body{margin:0 auto;max-width:1120px;padding:24px 20px 60px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
        h1{font-size:30px;line-height:1.2;margin:0;overflow-wrap:anywhere}
        h2{font-size:20px;margin:0 0 12px}
        h3{font-size:15px;margin:20px 0 4px}
        p{margin:6px 0}
        section{margin-top:40px}
        .over{color:var(--soft);margin:0;letter-spacing:.04em}
        .soft,.caption{color:var(--soft)}
        .small{font-size:12.5px}
        .caption{font-size:13.5px;max-width:80ch}
        .caption b{color:var(--ink);font-weight:600}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(235px,1fr));gap:12px;margin-top:24px}
        .tile{background:var(--panel);border-radius:10px;padding:14px 16px}
        .tile h2{font-size:13.5px;font-weight:600;margin:0;color:var(--soft)}
        .tile p{margin:2px 0}
        .tile .big{font-size:21px;font-variant-numeric:tabular-nums}
        .pm{font-size:15px;white-space:nowrap}
        .wide{overflow-x:auto}
        .wide tbody th,.wide tfoot th{min-width:150px}
        .wide .bar{min-width:520px;max-width:860px;font-size:13px}
        .overview svg{min-width:640px;margin-top:10px}
        table{border-collapse:collapse;font-size:13.5px;margin:10px 0}
        th,td{padding:5px 10px;text-align:left;vertical-align:top;font-weight:400;border-bottom:1px solid var(--line)}
        thead th{color:var(--soft);font-size:12.5px;vertical-align:bottom}
        tfoot th,tfoot td{font-weight:600;border-bottom:0}
        .n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
        .k{display:inline-block;width:10px;height:10px;border-radius:3px;background:var(--c);margin-right:7px;print-color-adjust:exact;-webkit-print-color-adjust:exact}
        .so{--c:var(--other)}.sh{--c:var(--soft)}
        .matrices{width:100%}
        .matrices tbody th{overflow-wrap:anywhere;font-size:13px}
        .matrices tbody tr:first-child td,.matrices tbody tr:first-child th{border-bottom:0}
        .matrices tbody{border-bottom:1px solid var(--line)}
        .matrices tbody:target{background:var(--panel)}
        .d td{padding-top:0;border:0}
        summary{cursor:pointer;color:var(--soft);font-size:12.5px}
        .pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:16px;margin:8px 0 12px}
        figure{margin:0}
        figcaption{font-weight:600;font-size:13px;margin-bottom:2px}
        dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0}
        dt{color:var(--soft)}
        dd{margin:0;overflow-wrap:anywhere}
        ul{margin:4px 0;padding-left:20px}
        a:focus-visible,summary:focus-visible{outline:2px solid var(--c1)}
        @media (max-width:760px){
        body{padding:18px 14px 40px}
        .matrices thead{display:none}
        .matrices,.matrices tbody,.matrices tfoot{display:block}
        .matrices tbody,.matrices tfoot{padding:8px 0}
        .matrices tr{display:grid;grid-template-columns:1fr 1fr;gap:0 14px}
        .matrices td,.matrices th{padding:1px 0;border:0}
        .matrices td:empty,.matrices tr td:first-child{display:none}
        .matrices th,.matrices .as,.matrices .d td{grid-column:1/-1}
        .matrices th{font-weight:600}
        .matrices .n{display:flex;justify-content:space-between}
        .matrices [data-l]::before{content:attr(data-l);color:var(--soft)}
        .pair{grid-template-columns:1fr}
        dl{grid-template-columns:1fr}dd{margin-bottom:6px}
        }
        @media print{body{max-width:none;padding:0;font-size:11px}.tile,tbody,figure{break-inside:avoid}.plot .p{print-color-adjust:exact;-webkit-print-color-adjust:exact}summary{display:none}}
        """
}
