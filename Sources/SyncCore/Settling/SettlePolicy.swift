/// When a file is whole: unchanged for the quiet time, and nobody known to have it open for writing.
public struct SettlePolicy: Hashable, Codable, Sendable {
    /// The quiet time between two equal observations. Zero trusts a granted lease, and the file system's stamps as far
    /// as they can tell two writes apart (`StampGranularity`).
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

    /// How soon a file that begins to settle is looked at again.
    public var firstPause: Duration { max(quiet, StampGranularity.finest) }

    /// - Parameters:
    ///   - file: what was known before this look.
    ///   - look: what the file is now; `nil` where it is gone or no regular file any more.
    ///   - began: an instant before this look's `stat`; `now` if nothing else is given.
    ///   - now: the monotonic clock, after this look.
    public func judge(
        _ file: SettlingFile, look: FileLook?, began: MonotonicInstant? = nil, at now: MonotonicInstant
    ) -> SettleVerdict {
        guard let look else { return .gone }
        guard look.observation == file.observation else {
            return .unsettled(
                file.restarted(with: look.observation, at: now),
                lookAgain: now.advanced(by: requiredQuiet(look)))
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
        let quietEnds = file.quietSince.advanced(by: requiredQuiet(look))
        // An instant of another run says nothing about how long the file was quiet: begin again.
        guard let reached = (began ?? now).reached(quietEnds) else {
            return .unsettled(
                file.restarted(with: look.observation, at: now),
                lookAgain: now.advanced(by: requiredQuiet(look)))
        }
        return reached
            ? .settled(look)
            : .unsettled(file, lookAgain: now.reached(quietEnds) == true ? now : quietEnds)
    }

    private func requiredQuiet(_ look: FileLook) -> Duration {
        let proof = max(quiet, StampGranularity.proofTime(of: look.observation))
        return switch look.writers {
        case .nobody: proof
        case .somebody, .unavailable: max(proof, Self.quietWithoutLease)
        }
    }
}

public enum SettleVerdict: Hashable, Sendable {
    case settled(FileLook)
    case unsettled(SettlingFile, lookAgain: MonotonicInstant)
    case gone
}
