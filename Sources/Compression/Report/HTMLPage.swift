/// A self-contained page: no scripts, nothing fetched, light and dark, fit for paper.
///
/// The markup is HTML and well-formed XML at once. Equal values give equal bytes.
struct HTMLPage {
    /// Of the window.
    let title: String
    /// What kind of page it is, over the heading.
    let kind: String
    let heading: String
    /// One line under the heading.
    let summary: String
    /// Markup.
    let sections: [String]

    var text: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="color-scheme" content="light dark"/>
        <title>\(Markup.escape(title))</title>
        <style>
        \(Self.styleSheet)
        \(SVGPlot.styleSheet)
        </style>
        </head>
        <body>
        <header>
        <p class="over">\(Markup.escape(kind))</p>
        <h1>\(Markup.breakable(heading))</h1>
        <p class="soft">\(Markup.escape(summary))</p>
        </header>
        <main>
        \(sections.joined(separator: "\n"))
        </main>
        </body>
        </html>

        """
    }
}
