/// Bytes per second over the last few seconds.
struct RateMeter {
    static let window: Duration = .seconds(5)

    private var samples: [(at: Duration, bytes: Int64)] = []
    private(set) var bytesPerSecond = 0.0

    /// - Parameters:
    ///   - bytes: all so far; where it falls, the count begins anew.
    ///   - time: since any fixed moment; not before the last one noted.
    mutating func note(_ bytes: Int64, at time: Duration) {
        if let last = samples.last, bytes < last.bytes { samples = [] }
        samples.append((time, bytes))
        samples.removeAll { time - $0.at > Self.window }
        guard let first = samples.first, time > first.at else { return }
        bytesPerSecond = (Double(bytes) - Double(first.bytes)) / ((time - first.at) / .seconds(1))
    }

    /// How long so many bytes take at this rate, in whole seconds; `nil` where that is not known or beyond days.
    func seconds(for bytes: Int64) -> Int64? {
        guard bytesPerSecond >= 1 else { return nil }
        let seconds = (Double(max(bytes, 0)) / bytesPerSecond).rounded(.up)
        return seconds < 100 * 3600 ? Int64(seconds) : nil
    }
}
