import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import SyncCore

/// Why a server's certificate is not believed. A failed handshake says only that it is not, so the certificate is
/// fetched once more, on a connection of its own that is given up before anything is sent on it.
struct CertificateLook {
    enum Flaw: Hashable, Sendable {
        case expired(Timestamp)
        case notYetValid(Timestamp)
        /// Nobody vouches for it but itself.
        case selfSigned
        /// Whoever vouches for it is not known here.
        case unknownAuthority
    }

    private let origin: WebAddress.Origin
    private let loop: any EventLoop
    private static let patience = TimeAmount.seconds(5)

    init(_ origin: WebAddress.Origin, on loop: any EventLoop) {
        self.origin = origin
        self.loop = loop
    }

    /// `nil` where it could not be fetched, or where none of these is wrong with it.
    func flaw() async -> Flaw? {
        Self.flaw(of: await chain(), at: time(nil))
    }

    /// - Parameters:
    ///   - chain: the server's own certificate first.
    ///   - now: seconds since 1970.
    static func flaw(of chain: [NIOSSLCertificate], at now: time_t) -> Flaw? {
        guard let own = chain.first else { return nil }
        // One that is out of its time is worthless whoever vouches for it; an authority's in between counts as well.
        for certificate in chain {
            if now > certificate.notValidAfter { return .expired(timestamp(certificate.notValidAfter)) }
            if now < certificate.notValidBefore { return .notYetValid(timestamp(certificate.notValidBefore)) }
        }
        let isOwn = (try? own.toDERBytes()).map { CertificateNames.areEqual(in: $0) } ?? false
        return isOwn ? .selfSigned : .unknownAuthority
    }

    private static func timestamp(_ seconds: time_t) -> Timestamp {
        let (product, overflow) = Int64(seconds).multipliedReportingOverflow(by: 1000)
        return Timestamp(milliseconds: overflow ? .max : product)
    }

    /// As the server sends it, not verified; empty where it cannot be had.
    private func chain() async -> [NIOSSLCertificate] {
        let host = origin.host.filter { $0 != "[" && $0 != "]" }
        let isName = (try? SocketAddress(ipAddress: host, port: 0)) == nil
        let received = loop.makePromise(of: [NIOSSLCertificate].self)
        do {
            let context = try NIOSSLContext(configuration: .makeClientConfiguration())
            let channel = try await ClientBootstrap(group: loop).connectTimeout(Self.patience)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = try NIOSSLClientHandler(
                            context: context, serverHostname: isName ? host : nil,
                            customVerificationCallback: { chain, verdict in
                                received.succeed(chain)
                                verdict.succeed(.failed)
                            })
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
                .connect(host: host, port: origin.port).get()
            let end = channel.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
            channel.closeFuture.whenComplete { _ in
                end.cancel()
                received.fail(ChannelError.eof)
            }
            let chain = try await received.futureResult.get()
            channel.close(promise: nil)
            return chain
        } catch {
            // Then it is not known why; that it is not believed is known already.
            received.fail(error)
            return []
        }
    }
}

/// Who a certificate names as its issuer and as its subject (RFC 5280 section 4.1), as far as needed to see whether
/// they are the same.
enum CertificateNames {
    /// - Parameter der: a certificate; anything else has no names.
    static func areEqual(in der: [UInt8]) -> Bool {
        var outer = Reader(der[...])
        guard let certificate = outer.next() else { return false }
        var whole = Reader(certificate.content)
        guard let signed = whole.next() else { return false }
        var fields = Reader(signed.content)
        var field = fields.next()
        // The version is left out where it is 1.
        if field?.tag == 0xA0 { field = fields.next() }
        // After the serial number: algorithm, issuer, validity, subject.
        guard field != nil, fields.next() != nil, let issuer = fields.next(), fields.next() != nil,
            let subject = fields.next()
        else { return false }
        return issuer.content.elementsEqual(subject.content)
    }

    /// Reads one value of DER after the other (ITU-T X.690 section 8.1).
    private struct Reader {
        private var rest: ArraySlice<UInt8>

        init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

        mutating func next() -> (tag: UInt8, content: ArraySlice<UInt8>)? {
            guard let tag = rest.popFirst(), let first = rest.popFirst() else { return nil }
            var length = Int(first)
            if first >= 0x80 {
                let count = Int(first & 0x7F)
                guard (1...4).contains(count), rest.count >= count else { return nil }
                length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
                rest = rest.dropFirst(count)
            }
            guard length <= rest.count else { return nil }
            defer { rest = rest.dropFirst(length) }
            return (tag, rest.prefix(length))
        }
    }
}

extension TransportTrouble {
    /// The same, now that the reason is known.
    func because(_ flaw: CertificateLook.Flaw, of host: String) -> TransportTrouble {
        let (words, hint) =
            switch flaw {
            case .expired(let end):
                (
                    "the certificate of \(host) has expired (on \(end.date))",
                    "whoever runs \(host) has to renew it; if that is done, check this machine's clock"
                )
            case .notYetValid(let begin):
                (
                    "the certificate of \(host) is not valid yet (only from \(begin.date) on)",
                    "check this machine's clock: date -u"
                )
            case .selfSigned:
                (
                    "the certificate of \(host) is signed by itself, and not known here",
                    "if that is meant to be so, name the certificate in `ca_file`; else something between this machine "
                        + "and \(host) answers in its place"
                )
            case .unknownAuthority:
                (
                    "the certificate of \(host) is signed by an authority that is not known here",
                    "name the authority's certificate in `ca_file`; a proxy that rewrites TLS has an authority of its own"
                )
            }
        return TransportTrouble(reach, words, hint: hint, isDistrust: true)
    }
}

extension Timestamp {
    /// As in `2026-03-01`, in UTC.
    fileprivate var date: String {
        var seconds = time_t(clamping: milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let text = { (number: Int32, digits: Int) in
            let plain = String(number)
            return String(repeating: "0", count: max(digits - plain.count, 0)) + plain
        }
        return "\(text(parts.tm_year &+ 1900, 4))-\(text(parts.tm_mon &+ 1, 2))-\(text(parts.tm_mday, 2))"
    }
}
