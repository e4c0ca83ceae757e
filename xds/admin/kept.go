package admin

import (
	"errors"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/hold"
	"legation.dev/xds/snapshot"
)

// KeptOf is a certificate that another replica keeps. Its version is made of its bytes, as
// there. An error quotes nothing of it.
func KeptOf(m *adminv1.KeptCertificate) (hold.Kept, error) {
	if len(m.GetBody()) == 0 && m.GetName() != "" {
		return hold.Kept{Name: m.GetName()}, nil
	}
	var secret tlsv3.Secret
	if proto.Unmarshal(m.GetBody(), &secret) != nil || secret.GetName() != m.GetName() || m.GetName() == "" {
		return hold.Kept{}, errors.New("a certificate is none")
	}
	var meta snapshot.Meta
	for _, text := range m.GetFrom() {
		ref, ok := object.Parse(text)
		if !ok {
			return hold.Kept{}, errors.New("a certificate is of no object")
		}
		meta.From = append(meta.From, ref)
	}
	for _, name := range m.GetNeeds() {
		meta.Needs = append(meta.Needs, snapshot.Ref{Type: snapshot.Secret, Name: name})
	}
	return hold.Kept{Name: m.GetName(), Resource: snapshot.OfBody(snapshot.Secret, m.GetName(), m.GetBody(), meta), Since: m.GetSince().AsTime()}, nil
}

// MessageOf is the way back.
func MessageOf(fleet string, k hold.Kept) *adminv1.KeptCertificate {
	if k.Resource == nil {
		return &adminv1.KeptCertificate{Fleet: fleet, Name: k.Name}
	}
	m := &adminv1.KeptCertificate{Fleet: fleet, Name: k.Name, Body: k.Resource.Body(), Since: timestamppb.New(k.Since), From: object.Texts(k.Resource.From)}
	for _, need := range k.Resource.Needs {
		m.Needs = append(m.Needs, need.Name)
	}
	return m
}
