/// Lines for people: headings, and fields whose text is wrapped to the right of its label. All text goes through here
/// on its way to a terminal, and is made printable here.
struct Sheet {
    let style: TextStyle
    private(set) var lines: [String] = []

    private let labelWidth: Int

    /// - Parameter labelWidth: columns of the labels, with the blank behind them.
    init(_ style: TextStyle, labelWidth: Int = 11) {
        self.style = style
        self.labelWidth = labelWidth
    }

    var text: String { lines.joined(separator: "\n") }

    mutating func gap() { lines.append("") }

    /// - Parameter mark: a word in colour in front of it.
    mutating func heading(_ text: String, mark: (text: String, tint: TextStyle.Tint)? = nil, indent: Int = 0) {
        let margin = String(repeating: " ", count: indent)
        guard let mark else {
            lines.append(margin + style.paint(text.printable, .strong))
            return
        }
        lines.append(margin + style.paint(mark.text, mark.tint) + "  " + text.printable)
    }

    mutating func field(_ label: String, _ text: String, indent: Int = 2, tint: TextStyle.Tint? = nil) {
        write(String(repeating: " ", count: indent), label, text, margin: indent + labelWidth, tint: tint)
    }

    /// The same, with a mark in colour in front.
    mutating func field(_ label: String, _ text: String, mark: (text: String, tint: TextStyle.Tint)) {
        write(
            "  " + style.paint(mark.text, mark.tint) + "  ", label, text,
            margin: 4 + DisplayWidth.of(mark.text) + labelWidth, tint: nil)
    }

    /// Below a marked field, behind a mark of its own.
    mutating func note(_ text: String, mark: (text: String, tint: TextStyle.Tint)) {
        let margin = 5 + labelWidth
        let width = DisplayWidth.of(mark.text) + 1
        let lines = DisplayWidth.wrapped(text.printable, room(behind: margin + width))
        for (index, line) in lines.enumerated() {
            let head = index == 0 ? style.paint(mark.text, mark.tint) + " " : String(repeating: " ", count: width)
            self.lines.append(String(repeating: " ", count: margin) + head + line)
        }
    }

    /// Where hardly any room is left, the terminal's own wrapping does better.
    private func room(behind margin: Int) -> Int? {
        style.width.flatMap { $0 - margin >= 24 ? $0 - margin : nil }
    }

    private mutating func write(
        _ front: String, _ label: String, _ text: String, margin: Int, tint: TextStyle.Tint?
    ) {
        for (index, line) in DisplayWidth.wrapped(text.printable, room(behind: margin)).enumerated() {
            let head =
                index == 0
                ? front + style.paint(label.padded(to: labelWidth), .faint) : String(repeating: " ", count: margin)
            lines.append(head + style.paint(line, tint))
        }
    }

    /// Parts with dots between them, each in its colour, broken between parts.
    mutating func field(_ label: String, parts: [(text: String, tint: TextStyle.Tint?)], indent: Int = 2) {
        let margin = indent + labelWidth
        let room = style.width.flatMap { $0 - margin >= 24 ? $0 - margin : nil } ?? .max
        var rows: [[String]] = [[]]
        var used = 0
        for part in parts {
            let text = part.text.printable
            let width = DisplayWidth.of(text)
            if used > 0, used + 3 + width > room {
                rows.append([])
                used = 0
            }
            used += (used > 0 ? 3 : 0) + width
            rows[rows.count - 1].append(style.paint(text, part.tint))
        }
        let dot = style.paint(" · ", .faint)
        for (index, row) in rows.enumerated() {
            let head =
                index == 0
                ? style.paint(label.padded(to: labelWidth), .faint) : String(repeating: " ", count: labelWidth)
            lines.append(String(repeating: " ", count: indent) + head + row.joined(separator: dot))
        }
    }

    /// One of a list, with a mark in front of it.
    mutating func item(_ mark: String, _ tint: TextStyle.Tint?, _ text: String, indent: Int = 2) {
        let room = style.width.flatMap { $0 - indent - 3 >= 24 ? $0 - indent - 3 : nil }
        for (index, line) in DisplayWidth.wrapped(text.printable, room).enumerated() {
            let head = index == 0 ? style.paint(mark, tint) : " "
            lines.append(String(repeating: " ", count: indent) + head + " " + line)
        }
    }

    /// A line as it is: made of printable text, and no wider than the terminal.
    mutating func drawn(_ line: String) { lines.append(line) }
}
