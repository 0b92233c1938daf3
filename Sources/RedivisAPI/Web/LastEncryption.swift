import NIOCore
import NIOSSL
import SyncCore
import Synchronization

/// What the last connection that was opened was encrypted with, for people.
final class LastEncryption: Sendable {
    /// Connections are opened on the event loop and asked about elsewhere, at once.
    private let last = Mutex<RedivisRemote.Encryption?>(nil)

    var value: RedivisRemote.Encryption? { last.withLock { $0 } }

    /// To be called on the channel's event loop.
    func note(_ channel: any Channel) {
        let pipeline = channel.pipeline.syncOperations
        let version = try? pipeline.nioSSL_tlsVersion()
        let certificate = try? pipeline.nioSSL_peerCertificate()
        let found = version.map { version in
            RedivisRemote.Encryption(
                version: Self.name(of: version),
                certificateEnds: certificate.map { Timestamp(milliseconds: Int64(clamping: $0.notValidAfter) &* 1000) })
        }
        last.withLock { $0 = found }
    }

    private static func name(of version: TLSVersion) -> String {
        switch version {
        case .tlsv1: "TLS 1.0"
        case .tlsv11: "TLS 1.1"
        case .tlsv12: "TLS 1.2"
        case .tlsv13: "TLS 1.3"
        }
    }
}
