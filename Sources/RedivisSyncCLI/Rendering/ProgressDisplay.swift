import Glibc
import SyncCore

/// Progress bars on a terminal, redrawn in place on stderr; nothing elsewhere.
struct ProgressDisplay {
    let board: RunBoard
    private let clock = ContinuousClock()

    static var isWanted: Bool { isatty(STDERR_FILENO) == 1 }

    /// Redraws until it is cancelled, then clears what it drew.
    func run() async {
        let start = clock.now
        var drawn = 0
        var rate = RateMeter()
        while !Task.isCancelled {
            let counts = board.snapshot
            rate.note(counts.bytesOnTheWay, at: clock.now - start)
            drawn = draw(lines(counts, rate: rate.bytesPerSecond), over: drawn)
            try? await Task.sleep(for: .milliseconds(200))
        }
        _ = draw([], over: drawn)
    }

    private func lines(_ counts: RunBoard.Counts, rate: Double) -> [String] {
        let width = TerminalSize.columns
        var head = "\(Words.count(counts.delivered, "file")) delivered, \(Words.bytes(counts.bytes))"
        if counts.adopted > 0 { head += ", \(Words.grouped(counts.adopted)) already there" }
        head += "  \(Words.bytes(Int64(rate)))/s"
        let bars = counts.transfers.sorted { $0.key < $1.key }.prefix(8).map { bar($0.value, width: width) }
        return [String(head.prefix(width))] + bars
    }

    private func bar(_ transfer: RunBoard.Transfer, width: Int) -> String {
        let share = transfer.total > 0 ? min(Double(transfer.offset) / Double(transfer.total), 1) : 1
        let cells = min(max(width / 4, 10), 30)
        let full = Int(share * Double(cells))
        let drawing = String(repeating: "█", count: full) + String(repeating: "░", count: cells - full)
        let percent = "\(Int(share * 100))%"
        let tail = " " + String(repeating: " ", count: max(4 - percent.count, 0)) + percent + " of " + Words.bytes(transfer.total)
        let room = max(width - cells - tail.count - 4, 8)
        return "  " + drawing + tail + "  " + Self.fitted(transfer.path.description, room)
    }

    /// The end of a path says more than its beginning.
    static func fitted(_ text: String, _ room: Int) -> String {
        text.count <= room ? text : "…" + text.suffix(max(room - 1, 1))
    }

    private func draw(_ lines: [String], over drawn: Int) -> Int {
        var text = drawn > 0 ? "\u{1B}[\(drawn)A\r\u{1B}[J" : ""
        for line in lines { text += line + "\n" }
        if !text.isEmpty { StandardError.write(text) }
        return lines.count
    }
}

extension RunBoard.Counts {
    /// Everything that has left, whether its import has ended or not.
    fileprivate var bytesOnTheWay: Int64 { transfers.values.reduce(bytes) { $0 + $1.offset } }
}

/// Bytes per second over the last few seconds.
struct RateMeter {
    private var samples: [(at: Duration, bytes: Int64)] = []
    private(set) var bytesPerSecond = 0.0

    mutating func note(_ bytes: Int64, at time: Duration) {
        samples.append((time, bytes))
        samples.removeAll { time - $0.at > .seconds(5) }
        guard let first = samples.first, time > first.at else { return }
        bytesPerSecond = max(Double(bytes - first.bytes), 0) / ((time - first.at) / .seconds(1))
    }
}

enum TerminalSize {
    /// Columns of the terminal on stderr; 80 where it does not tell.
    static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}
