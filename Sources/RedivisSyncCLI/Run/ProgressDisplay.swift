import Glibc
import SyncCore

/// Progress bars on a terminal, redrawn in place on stderr; nothing elsewhere.
struct ProgressDisplay: Sendable {
    let board: RunBoard
    /// How many file versions there are in each state.
    let states: @Sendable () async -> [PublicState: Int]

    /// A terminal that cannot move its cursor gets log lines.
    static var isWanted: Bool {
        isatty(STDERR_FILENO) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"
    }

    /// Redraws until it is cancelled, then clears what it drew.
    func run() async {
        var picture = ProgressPicture()
        var round = 0
        while !Task.isCancelled {
            // Counting asks the database; once in a while is enough.
            if round.isMultiple(of: 5) { picture.states = await states() }
            round += 1
            picture.note(board.snapshot, at: board.elapsed)
            StandardError.redraw(picture.lines(.standardError))
            try? await Task.sleep(for: .milliseconds(200))
        }
        StandardError.redraw([])
    }
}

/// What the bars show at one moment: a head with the whole, and a bar for each transfer.
struct ProgressPicture {
    var states: [PublicState: Int] = [:]
    private var counts = RunBoard.Counts()
    private var rate = RateMeter()
    private var rates: [DeliveryID: RateMeter] = [:]

    static let mostBars = 8

    mutating func note(_ counts: RunBoard.Counts, at time: Duration) {
        self.counts = counts
        rate.note(counts.sent, at: time)
        rates = rates.filter { counts.transfers[$0.key] != nil }
        for (id, transfer) in counts.transfers { rates[id, default: RateMeter()].note(transfer.offset, at: time) }
    }

    func lines(_ style: TextStyle) -> [String] {
        // A line as wide as the terminal may wrap.
        let width = (style.width ?? 80) - 1
        let transfers = counts.transfers.sorted { $0.key < $1.key }
        var lines = [DisplayWidth.keepingStart(head, width)]
        lines += transfers.prefix(Self.mostBars).map { id, transfer in
            ProgressBar(
                path: transfer.path.description, sent: transfer.offset, total: transfer.total,
                secondsLeft: rates[id]?.seconds(for: transfer.total &- transfer.offset)
            ).line(width, style)
        }
        if transfers.count > Self.mostBars {
            lines.append("  … and \(Words.grouped(transfers.count - Self.mostBars)) more")
        }
        return lines
    }

    private var head: String {
        var parts = ["\(Words.count(counts.delivered, "file")) delivered, \(Words.bytes(counts.bytes))"]
        if counts.adopted > 0 { parts.append("\(Words.grouped(counts.adopted)) already there") }
        if !counts.transfers.isEmpty { parts.append("\(Words.bytes(Int64(rate.bytesPerSecond)))/s") }
        for state in [PublicState.settling, .queued, .registering, .importing, .waiting] {
            if let count = states[state], count > 0 { parts.append("\(Words.grouped(count)) \(state.rawValue)") }
        }
        return parts.joined(separator: " · ")
    }
}
