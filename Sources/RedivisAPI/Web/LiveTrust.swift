import Glibc
import NIOSSL
import SyncCore
import Synchronization

/// Whose certificates are believed: the system's authorities, and those of `ca_file`, which may change while the
/// program runs.
final class LiveTrust: Sendable {
    private struct State {
        var certificates: [NIOSSLCertificate]
        /// What the file looked like when they were read: an unchanged one is not read again.
        var look: Look?
        /// `nil` as long as nothing has changed.
        var configuration: TLSConfiguration?
    }

    private struct Look: Hashable, Sendable {
        let path: String
        let numbers: [Int]

        init?(_ path: String) {
            var found = stat()
            guard stat(path, &found) == 0 else { return nil }
            self.path = path
            numbers = [
                Int(truncatingIfNeeded: found.st_dev), Int(truncatingIfNeeded: found.st_ino), Int(found.st_size),
                found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec, found.st_ctim.tv_nsec,
            ]
        }
    }

    /// What the clients were made with.
    let atStart: TLSConfiguration
    // Read for each request, on any task.
    private let state: Mutex<State>

    /// - Throws: `Failure` of kind `rejected`.
    init(_ file: String?) throws(Failure) {
        let look = file.flatMap(Look.init)
        let certificates = try Self.certificates(in: file)
        atStart = Self.configuration(certificates)
        state = Mutex(State(certificates: certificates, look: look))
    }

    /// What a request's connection is to be opened with; `nil` where that is what its client was made with.
    var sinceStart: TLSConfiguration? { state.withLock(\.configuration) }

    /// - Returns: whether it holds others than before.
    /// - Throws: `Failure` of kind `rejected`; what was believed before stays.
    func read(_ file: String?) throws(Failure) -> Bool {
        // Before the reading: what is written meanwhile is another look.
        let look = file.flatMap(Look.init)
        if let look, look == state.withLock(\.look) { return false }
        let certificates = try Self.certificates(in: file)
        return state.withLock { state in
            state.look = look
            guard certificates != state.certificates else { return false }
            state.certificates = certificates
            state.configuration = Self.configuration(certificates)
            return true
        }
    }

    private static func certificates(in file: String?) throws(Failure) -> [NIOSSLCertificate] {
        guard let file else { return [] }
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(file)
            guard !certificates.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
            return certificates
        } catch {
            throw Failure(
                .rejected, scope: .agent, "`ca_file` \(file) holds no certificates that can be read",
                hint: "name a PEM file that the agent may read")
        }
    }

    private static func configuration(_ certificates: [NIOSSLCertificate]) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if !certificates.isEmpty { tls.additionalTrustRoots = [.certificates(certificates)] }
        return tls
    }
}
