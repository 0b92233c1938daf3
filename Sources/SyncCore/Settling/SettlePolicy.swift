/// When a file is whole: unchanged for the quiet time, and nobody known to have it open for writing.
public struct SettlePolicy: Hashable, Codable, Sendable {
    /// The quiet time between two equal observations. Zero trusts a granted lease alone.
    public let quiet: Duration
    /// Whether to wait while somebody has the file open for writing.
    public let waitsForWriters: Bool

    /// The quiet time asked for in place of zero where no lease is to be had: one coarse clock tick of any common
    /// file system, so that a write between two looks shows in mtime.
    public static let quietWithoutLease: Duration = .seconds(2)
    /// How soon a file that somebody has open is looked at again.
    public static let writerRecheck: Duration = .seconds(5)

    public init(quiet: Duration, waitsForWriters: Bool) {
        self.quiet = quiet
        self.waitsForWriters = waitsForWriters
    }

    /// - Parameters:
    ///   - file: what was known before this look.
    ///   - look: what the file is now; `nil` where it is gone or no regular file any more.
    ///   - now: the monotonic clock.
    public func judge(_ file: SettlingFile, look: FileLook?, at now: MonotonicInstant) -> SettleVerdict {
        guard let look else { return .gone }
        guard look.observation == file.observation else {
            return .unsettled(
                file.restarted(with: look.observation, at: now),
                lookAgain: now.advanced(by: requiredQuiet(look.writers)))
        }
        switch look.writers {
        case .somebody where waitsForWriters:
            // The quiet time begins anew when the writer is gone: what it wrote last may not show in stat yet.
            return .unsettled(
                file.restarted(with: look.observation, at: now),
                lookAgain: now.advanced(by: max(Self.writerRecheck, quiet)))
        case .somebody, .nobody, .unavailable:
            break
        }
        let quietEnds = file.quietSince.advanced(by: requiredQuiet(look.writers))
        // An instant of another run says nothing about how long the file was quiet: begin again.
        guard let reached = now.reached(quietEnds) else {
            return .unsettled(
                file.restarted(with: look.observation, at: now),
                lookAgain: now.advanced(by: requiredQuiet(look.writers)))
        }
        return reached
            ? .settled(look)
            : .unsettled(file, lookAgain: quietEnds)
    }

    private func requiredQuiet(_ writers: WriterProbe) -> Duration {
        switch writers {
        case .nobody: quiet
        case .somebody, .unavailable: max(quiet, Self.quietWithoutLease)
        }
    }
}

public enum SettleVerdict: Hashable, Sendable {
    case settled(FileLook)
    case unsettled(SettlingFile, lookAgain: MonotonicInstant)
    case gone
}
