import Glibc
import SyncCore

/// `status --watch`: the status again and again, in place on a terminal, one block below the other elsewhere.
struct StatusWatch: Sendable {
    let reader: StatusReader
    let asJSON: Bool

    static let pauseOnTerminal: Duration = .seconds(1)
    static let pauseElsewhere: Duration = .seconds(5)

    /// Until SIGINT or SIGTERM, or until nobody reads any more.
    func run() async throws(CommandFailure) {
        let signals = SignalWatch()
        let screen = Screen.isUsable && !asJSON ? Screen() : nil
        let result = await withTaskGroup(of: Result<Void, CommandFailure>?.self) { group in
            group.addTask {
                await signals.wait()
                return .success(())
            }
            group.addTask {
                do throws(CommandFailure) {
                    try await redraw(screen)
                    return .success(())
                } catch {
                    return .failure(error)
                }
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        screen?.close()
        if let result { try result.get() }
    }

    private func redraw(_ screen: Screen?) async throws(CommandFailure) {
        var rates: [DeliveryID: RateMeter] = [:]
        let begun = ContinuousClock.now
        while !Task.isCancelled {
            let facts = try await reader.facts()
            var picture = StatusPicture(facts)
            let transfers = facts.agent?.transfers ?? []
            let known = Set(transfers.map(\.delivery))
            rates = rates.filter { known.contains($0.key) }
            for transfer in transfers {
                rates[transfer.delivery, default: RateMeter()].note(transfer.sent, at: .now - begun)
                let rate = rates[transfer.delivery]?.bytesPerSecond ?? 0
                if rate >= 1 { picture.rates[transfer.delivery] = Int64(min(rate, 1e15)) }
            }
            show(picture, screen)
            if StandardOutput.isClosed { return }
            try? await Task.sleep(for: screen == nil ? Self.pauseElsewhere : Self.pauseOnTerminal)
        }
    }

    private func show(_ picture: StatusPicture, _ screen: Screen?) {
        if let screen {
            let (style, height) = (TextStyle.standardOutput, Screen.height)
            screen.draw(picture.lines(style, height: height - 1))
        } else if asJSON {
            StandardOutput.line(JSONText.line(picture.report))
        } else {
            let lines = [picture.report.time] + picture.lines(.standardOutput, showsProblems: true) + [""]
            StandardOutput.write(lines.map { $0 + "\n" }.joined())
        }
    }
}

/// The terminal's second screen, so that what stood on the first is there again afterwards (xterm's control sequences:
/// private modes 1049, 25 and 7; ECMA-48: CUP, EL, ED). Lines that are wider than it are cut, not wrapped.
struct Screen: Sendable {
    /// Whether standard output is a terminal that moves its cursor.
    static var isUsable: Bool {
        isatty(STDOUT_FILENO) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"
    }

    /// In lines; 24 where the terminal does not tell.
    static var height: Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return 24 }
        return max(Int(size.ws_row), 4)
    }

    init() { StandardOutput.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[H\u{1B}[2J") }

    /// In one piece, so that nothing flickers; each line is cleared behind its end, and what stood below is gone.
    func draw(_ lines: [String]) {
        StandardOutput.write("\u{1B}[H" + lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J")
    }

    func close() { StandardOutput.write("\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l") }
}
