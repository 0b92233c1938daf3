/// One transfer on one line: bar, share, size, time left, path. A narrow terminal leaves out size and time.
struct ProgressBar {
    /// Safe for a terminal.
    let path: String
    /// In bytes.
    let sent: Int64
    /// In bytes.
    let total: Int64
    /// `nil` where the rate is not known.
    let secondsLeft: Int64?

    /// - Parameter width: in columns.
    func line(_ width: Int, _ style: TextStyle) -> String {
        let share = total > 0 ? min(max(Double(sent) / Double(total), 0), 1) : 1
        let cells = min(max(width / 4, 8), 30)
        let full = Int(share * Double(cells))
        var tail = " " + "\(Int(share * 100))%".paddedInFront(to: 4)
        if width >= 60 {
            let left = sent >= total ? "sent" : secondsLeft.map(Words.clock(seconds:)) ?? "-:--"
            tail += " of " + Words.bytes(total).paddedInFront(to: 10) + left.paddedInFront(to: 8)
        }
        let room = width - 2 - cells - tail.count - 2
        let end = room >= 6 ? "  " + DisplayWidth.keepingEnd(path, room) : ""
        return "  " + Self.drawing(full: full, of: cells, style) + tail + end
    }

    private static func drawing(full: Int, of cells: Int, _ style: TextStyle) -> String {
        let rest = cells - full
        guard style.hasColour else {
            return String(repeating: "█", count: full) + String(repeating: "░", count: rest)
        }
        return style.paint(String(repeating: "━", count: full), .busy)
            + style.paint(String(repeating: "━", count: rest), .faint)
    }
}
